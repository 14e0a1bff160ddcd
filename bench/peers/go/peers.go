// peers.go - the benchmarks of bench/README.md as Go does them: goroutines and buffered channels.
//
// One benchmark a run, one JSON line on stdout. It is a yardstick for Engset and nothing else. A
// process is a goroutine, its mailbox a channel of 128: a sender blocks when it is full, which is
// a weaker promise than the unbounded mailbox of Erlang and Engset.
//
//	peers --only NAME --cores N [--quick] [--json]
//	peers --list
package main

import (
	"bufio"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	mailboxSize = 128
	watched     = 100
	crowd       = 200
	creatures   = 100
	pairs       = 200
)

// A message says what it is and, where an answer is wanted, whom to answer.
type message struct {
	value int64
	from  chan message
}

func newMailbox() chan message {
	return make(chan message, mailboxSize)
}

// A result is a figure in its unit; more goes into the JSON line as it is, also are lines of their own.
type result struct {
	unit   string
	figure float64
	more   string
	also   map[string]result
}

type benchmark struct {
	name        string
	full, quick int // operations counted
	run         func(count int) result
}

var benchmarks = []benchmark{
	{"pingpong", 2000000, 100000, pingpong},
	{"ring503", 5000000, 250000, func(count int) result { return ring(503, mailboxSize, count) }},
	{"ring100k", 5000000, 250000, func(count int) result { return ring(100000, 1, count) }},
	{"count1", 10000000, 500000, func(count int) result { return countAll(1, count) }},
	{"count8", 10000000, 500000, func(count int) result { return countAll(8, count) }},
	{"spawn_seq", 1000000, 50000, spawnSeq},
	{"spawn", 1000000, 50000, spawnAll},
	{"skynet", 1000000, 100000, skynet},
	{"big", 2000000, 100000, big},
	{"chameneos", 1000000, 50000, chameneos},
	{"call", 500000, 25000, call},
	{"timers", 1000000, 50000, timers},
	{"memory", 1000000, 50000, memory},
	{"first_message", 1000000, 50000, firstMessage},
	{"parallel", 1000, 200, parallel},
	{"parallel_chatty", 1000000, 50000, parallelChatty},
	{"crash_restart", 200000, 10000, crashRestart},
	{"monitor_restart", 200000, 10000, monitorRestart},
	{"echo", 200000, 10000, echo},
	{"wakeup_p99", 2000, 500, wakeupP99},
	{"idle", 5000, 250, idle},
}

func since(start time.Time, count int) result {
	return result{unit: "ns_per_op", figure: float64(time.Since(start).Nanoseconds()) / float64(count)}
}

func check(ok bool, what string) {
	if !ok {
		fmt.Fprintln(os.Stderr, "peers:", what)
		os.Exit(1)
	}
}

// pingpong: a ping that says who asks, a pong back. One operation is the round trip.
func pingpong(count int) result {
	done := make(chan bool)
	ponger := newMailbox()
	start := time.Now()
	go func() {
		for ping := range ponger {
			ping.from <- message{value: ping.value}
		}
	}()
	go func() {
		self := newMailbox()
		for i := 0; i < count; i++ {
			ponger <- message{from: self}
			<-self
		}
		done <- true
	}()
	<-done
	return since(start, count)
}

// ring503, ring100k: goroutines in a ring pass one integer on. One operation is one hop; the first lap is
// not counted. There is one token only: in ring100k a mailbox has room for one.
func ring(size, room, count int) result {
	done := make(chan bool)
	first := make(chan message, room)
	self := first
	for i := 0; i < size; i++ {
		next := first
		if i < size-1 {
			next = make(chan message, room)
		}
		go func(self, next chan message) {
			for token := range self {
				if token.value == 0 {
					done <- true
				} else {
					next <- message{value: token.value - 1}
				}
			}
		}(self, next)
		self = next
	}
	first <- message{value: int64(size)}
	<-done
	start := time.Now()
	first <- message{value: int64(count)}
	<-done
	return since(start, count)
}

// count1, count8: producers, and one consumer that adds the messages up. One operation is one message.
func countAll(producers, count int) result {
	each := count / producers
	total := make(chan int64)
	mailbox := newMailbox()
	start := time.Now()
	go func() {
		var sum int64
		for i := 0; i < producers*each; i++ {
			sum += (<-mailbox).value
		}
		total <- sum
	}()
	for p := 0; p < producers; p++ {
		go func() {
			for i := 1; i <= each; i++ {
				mailbox <- message{value: int64(i)}
			}
		}()
	}
	sum := <-total
	took := since(start, count)
	check(sum == int64(producers)*(int64(each)*int64(each+1)/2), "count: wrong total")
	return took
}

// spawn_seq: start, one message to the parent, end; then the next one.
func spawnSeq(count int) result {
	self := newMailbox()
	start := time.Now()
	for i := 0; i < count; i++ {
		go func() { self <- message{value: 1} }()
		<-self
	}
	return since(start, count)
}

// spawn: all at once; each sends one message to the parent and ends.
func spawnAll(count int) result {
	self := newMailbox()
	start := time.Now()
	for i := 0; i < count; i++ {
		go func() { self <- message{value: 1} }()
	}
	for i := 0; i < count; i++ {
		<-self
	}
	return since(start, count)
}

// skynet: a tree, each node starts ten; the leaves send their numbers up. One operation is one leaf.
func skynet(leaves int) result {
	self := make(chan int64)
	start := time.Now()
	go skynetNode(self, 0, leaves)
	total := <-self
	took := since(start, leaves)
	check(total == int64(leaves)*int64(leaves-1)/2, "skynet: wrong total")
	return took
}

func skynetNode(parent chan int64, first, size int) {
	if size == 1 {
		parent <- int64(first)
		return
	}
	self := make(chan int64, 10)
	for i := 0; i < 10; i++ {
		go skynetNode(self, first+i*(size/10), size/10)
	}
	var total int64
	for i := 0; i < 10; i++ {
		total += <-self
	}
	parent <- total
}

// big: 200 goroutines; each pings others by turns of chance and serves until its pong comes. One
// operation is one message. A ping brings the mailbox to answer to, a pong none.
func big(count int) result {
	pings := count / 2 / crowd
	ready := make(chan bool)
	served := make(chan int)
	var all [crowd]chan message
	for i := range all {
		all[i] = newMailbox()
	}
	start := time.Now()
	for number := range all {
		go func(number int) {
			self, chance, answered := all[number], uint32(number), 0
			for left := pings; left > 0; left-- {
				chance = chance*69069 + 1
				other := int(chance>>16) % (crowd - 1)
				if other >= number {
					other++
				}
				all[other] <- message{from: self}
				for m := range self {
					if m.from == nil {
						break
					}
					m.from <- message{}
					answered++
				}
			}
			ready <- true
			for m := range self {
				if m.from == nil {
					break
				}
				m.from <- message{}
				answered++
			}
			served <- answered
		}(number)
	}
	for range all {
		<-ready
	}
	took := since(start, 2*crowd*pings)
	total := 0
	for _, mailbox := range all {
		mailbox <- message{}
	}
	for range all {
		total += <-served
	}
	check(total == crowd*pings, "big: wrong total")
	return took
}

// chameneos: 100 creatures meet in pairs at one mall. One operation is one meeting: four messages.
func chameneos(count int) result {
	mall := newMailbox()
	done := make(chan int)
	start := time.Now()
	go func() {
		for left := count; left > 0; left-- {
			first := <-mall
			second := <-mall
			first.from <- message{second.value, second.from}
			second.from <- message{first.value, first.from}
		}
		for i := 0; i < creatures; i++ {
			close((<-mall).from)
		}
	}()
	for i := 0; i < creatures; i++ {
		go func(colour int64) {
			self := newMailbox()
			meetings := 0
			for {
				mall <- message{colour, self}
				other, met := <-self
				if !met {
					break
				}
				check(other.from != self, "chameneos: met itself")
				if other.value != colour {
					colour = 3 - colour - other.value
				}
				meetings++
			}
			done <- meetings
		}(int64(i % 3))
	}
	total := 0
	for i := 0; i < creatures; i++ {
		total += <-done
	}
	took := since(start, count)
	check(total == 2*count, "chameneos: wrong total")
	return took
}

// timers: start all of them, ten minutes and more away, then stop all. One operation is one start and one
// stop. A stopped timer is only marked; Go takes it out later.
func timers(count int) result {
	self := newMailbox()
	all := make([]*time.Timer, count)
	start := time.Now()
	for i := range all {
		after := time.Duration(600000+i%600000) * time.Millisecond
		all[i] = time.AfterFunc(after, func() { self <- message{} })
	}
	for _, timer := range all {
		check(timer.Stop(), "timers: one had fired")
	}
	took := since(start, count)
	check(!all[0].Stop(), "timers: one was not stopped")
	return took
}

// call: a server that owns a total; each request brings a fresh channel for its reply.
func call(count int) result {
	type request struct {
		add   int64
		reply chan int64
	}
	server := make(chan request, mailboxSize)
	go func() {
		var total int64
		for r := range server {
			total += r.add
			r.reply <- total
		}
	}()
	start := time.Now()
	var answer int64
	for i := 0; i < count; i++ {
		reply := make(chan int64, 1)
		server <- request{1, reply}
		answer = <-reply
	}
	took := since(start, count)
	check(answer == int64(count), "call: wrong answer")
	return took
}

// memory: what one idle goroutine with a channel of its own costs, as the growth of VmRSS + VmPTE.
// The channels are unbuffered here: 128 empty slots each would be our choice, not Go's price.
func memory(count int) result {
	runtime.GC()
	debug.FreeOSMemory()
	before := residentBytes()
	var waiting sync.WaitGroup
	waiting.Add(count)
	for i := 0; i < count; i++ {
		go func(self chan message) {
			waiting.Done()
			<-self
		}(make(chan message))
	}
	waiting.Wait()
	return result{unit: "bytes", figure: float64(residentBytes()-before) / float64(count)}
}

// first_message: a million goroutines wait; each gets its first message and answers, one after the other.
func firstMessage(count int) result {
	all := make([]chan message, count)
	var waiting sync.WaitGroup
	waiting.Add(count)
	for i := range all {
		all[i] = make(chan message, 1)
		go func(self chan message) {
			waiting.Done()
			for m := range self {
				m.from <- message{value: m.value}
			}
		}(all[i])
	}
	waiting.Wait()
	for i := 0; i < 1000; i++ {
		runtime.Gosched()
	}
	self := newMailbox()
	start := time.Now()
	for i, mailbox := range all {
		mailbox <- message{int64(i), self}
		check((<-self).value == int64(i), "first_message: wrong answer")
	}
	return since(start, count)
}

func residentBytes() int64 {
	file, err := os.Open("/proc/self/status")
	check(err == nil, "no /proc/self/status")
	defer file.Close()
	var total, kilobytes int64
	found := 0
	for lines := bufio.NewScanner(file); lines.Scan(); {
		line := lines.Text()
		if strings.HasPrefix(line, "VmRSS:") || strings.HasPrefix(line, "VmPTE:") {
			_, err = fmt.Sscan(line[len("VmRSS:"):], &kilobytes)
			check(err == nil, "strange /proc/self/status")
			total += kilobytes * 1024
			found++
		}
	}
	check(found == 2, "no VmRSS or no VmPTE")
	return total
}

// parallel: count goroutines compute for 1 ms each and report. The figure is the wall time of all
// divided by count: 1,000,000 on one core, half of that on two when both are used.
func parallel(count int) result {
	iterations := calibrate()
	self := newMailbox()
	start := time.Now()
	for i := 1; i <= count; i++ {
		go func(seed int) { self <- message{value: int64(work(iterations, uint64(seed)))} }(i)
	}
	for i := 0; i < count; i++ {
		<-self
	}
	took := since(start, count)
	took.more = fmt.Sprintf(`"iterations":%d,`, iterations)
	return took
}

// parallel_chatty: 200 pairs play ping-pong, and each message costs its receiver 1 us of work. One
// operation is one message.
func parallelChatty(count int) result {
	rounds := count / 2 / pairs
	iterations := calibrate()
	done := make(chan int64)
	start := time.Now()
	for i := 0; i < pairs; i++ {
		ponger := newMailbox()
		go func() {
			for ping := range ponger {
				consume(work(iterations/1000, uint64(ping.value)))
				ping.from <- message{value: ping.value + 1}
			}
		}()
		go func() {
			self := newMailbox()
			var i int64
			for i < int64(rounds) {
				ponger <- message{i, self}
				i = (<-self).value
				consume(work(iterations/1000, uint64(i)))
			}
			done <- i
		}()
	}
	var total int64
	for i := 0; i < pairs; i++ {
		total += <-done
	}
	took := since(start, 2*pairs*rounds)
	check(total == int64(pairs*rounds), "parallel_chatty: wrong total")
	took.more = fmt.Sprintf(`"iterations":%d,`, iterations)
	return took
}

// work() is not inlined, so nobody can leave it out, whatever becomes of its result.
func consume(uint64) {}

// How many iterations take 1 ms: the best of nine trials of about 10 ms, for the fastest one was
// disturbed least.
func calibrate() int {
	trial := 10000
	for timedWork(trial) < 10*time.Millisecond {
		trial *= 2
	}
	best := timedWork(trial)
	for i := 1; i < 9; i++ {
		if took := timedWork(trial); took < best {
			best = took
		}
	}
	return int(float64(trial) * 1e6 / float64(best.Nanoseconds()))
}

var sink uint64 // keeps the compiler from leaving the work out

func timedWork(n int) time.Duration {
	start := time.Now()
	atomic.StoreUint64(&sink, work(n, 1))
	return time.Since(start)
}

//go:noinline
func work(n int, x uint64) uint64 {
	for ; n > 0; n-- {
		x = (x*69069 + 1) & 0xffffffff
	}
	return x
}

// crash_restart: start, the goroutine panics, its end is told to the parent, the next one.
func crashRestart(count int) result {
	self := make(chan interface{}, mailboxSize)
	start := time.Now()
	for i := 0; i < count; i++ {
		go func() {
			defer func() { self <- recover() }()
			panic("crash")
		}()
		check(<-self == "crash", "crash_restart: wrong reason")
	}
	return since(start, count)
}

// monitor_restart: 100 goroutines are watched; one after the other is told to stop, tells as its last deed
// why it ends, and is replaced.
func monitorRestart(count int) result {
	type down struct {
		who    int
		reason int64
	}
	self := make(chan down, mailboxSize)
	var all [watched]chan message
	begin := func(who int) {
		mailbox := make(chan message, 1)
		all[who] = mailbox
		go func() {
			reason := int64(-1)
			defer func() { self <- down{who, reason} }()
			reason = (<-mailbox).value
		}()
	}
	start := time.Now()
	for i := range all {
		begin(i)
	}
	for i := 0; i < count; i++ {
		all[i%watched] <- message{value: int64(i)}
		check(<-self == down{i % watched, int64(i)}, "monitor_restart: wrong reason")
		begin(i % watched)
	}
	return since(start, count)
}

// echo: one goroutine a connection sends back what it reads; echo-load plays the clients and measures.
func echo(count int) result {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	check(err == nil, "echo: cannot listen")
	go func() {
		for {
			connection, err := listener.Accept()
			check(err == nil, "echo: cannot accept")
			go func() {
				defer connection.Close()
				buffer := make([]byte, 4096)
				for {
					got, err := connection.Read(buffer)
					if err != nil {
						return
					}
					if _, err = connection.Write(buffer[:got]); err != nil {
						return
					}
				}
			}()
		}
	}()
	clients := exec.Command(os.Getenv("ES_BENCH_ECHO_LOAD"),
		fmt.Sprint(listener.Addr().(*net.TCPAddr).Port), fmt.Sprint(count))
	clients.Stderr = os.Stderr
	output, err := clients.Output()
	check(err == nil, "echo: the clients failed")
	var figure float64
	_, err = fmt.Sscan(string(output), &figure)
	check(err == nil, "echo: no figure")
	return result{unit: "ns_per_op", figure: figure}
}

// wakeup_p99: how late are sleeps of 1 ms while each scheduler has four goroutines that compute? The
// figure is the 99th percentile of the lateness.
func wakeupP99(count int) result {
	var over int32
	for i := 0; i < 4*runtime.GOMAXPROCS(0); i++ {
		go func() {
			for atomic.LoadInt32(&over) == 0 {
				consume(work(1000, 1))
			}
		}()
	}
	time.Sleep(100 * time.Millisecond)
	late := make([]int, count)
	var sleepers sync.WaitGroup
	sleepers.Add(10)
	for i := 0; i < 10; i++ {
		go func(mine []int) {
			for i := range mine {
				start := time.Now()
				time.Sleep(time.Millisecond)
				mine[i] = int(time.Since(start) - time.Millisecond)
			}
			sleepers.Done()
		}(late[i*(count/10) : (i+1)*(count/10)])
	}
	sleepers.Wait()
	atomic.StoreInt32(&over, 1)
	sort.Ints(late)
	check(late[0] >= 0, "wakeup_p99: one was early")
	return result{unit: "ns_per_op", figure: float64(late[count*99/100])}
}

// idle: what a program with 1,000 waiting goroutines uses of a core, and how often its threads wake up.
func idle(milliseconds int) result {
	never := make(chan bool)
	for i := 0; i < 1000; i++ {
		go func() { <-never }()
	}
	time.Sleep(500 * time.Millisecond)
	start := time.Now()
	cpuBefore, wakeupsBefore := usage()
	time.Sleep(time.Duration(milliseconds) * time.Millisecond)
	cpu, wakeups := usage()
	took := float64(time.Since(start).Nanoseconds())
	return result{unit: "cores_used", figure: float64(cpu-cpuBefore) / took, also: map[string]result{
		"idle_wakeups": {unit: "per_second", figure: float64(wakeups-wakeupsBefore) * 1e9 / took}}}
}

// CPU time and voluntary context switches of all threads of this OS process.
func usage() (cpu, wakeups int64) {
	threads, err := os.ReadDir("/proc/self/task")
	check(err == nil, "no /proc/self/task")
	for _, thread := range threads {
		folder := "/proc/self/task/" + thread.Name()
		times, _ := os.ReadFile(folder + "/schedstat")
		status, _ := os.ReadFile(folder + "/status")
		var value int64
		if _, err := fmt.Sscan(string(times), &value); err == nil {
			cpu += value
		}
		const word = "\nvoluntary_ctxt_switches:"
		if at := strings.Index(string(status), word); at >= 0 {
			if _, err := fmt.Sscan(string(status)[at+len(word):], &value); err == nil {
				wakeups += value
			}
		}
	}
	return cpu, wakeups
}

// One JSON line.
func report(name string, cores, count int, r result) {
	fmt.Printf(`{"bench":"%s","impl":"go","version":"%s","cores":%d,"ops":%d,%s"%s":%.6f}`+"\n",
		name, runtime.Version(), cores, count, r.more, r.unit, r.figure)
	for also, second := range r.also {
		report(also, cores, count, second)
	}
}

func main() {
	only := flag.String("only", "", "the benchmark to run")
	cores := flag.Int("cores", 1, "GOMAXPROCS; which cores is the caller's affair (taskset)")
	quick := flag.Bool("quick", false, "fewer operations")
	list := flag.Bool("list", false, "print the names and end")
	flag.Bool("json", true, "one JSON object a line; there is no other form")
	flag.Parse()
	runtime.GOMAXPROCS(*cores)
	for _, b := range benchmarks {
		if *list {
			fmt.Println(b.name)
		} else if b.name == *only {
			count := b.full
			if *quick {
				count = b.quick
			}
			report(b.name, *cores, count, b.run(count))
			return
		}
	}
	check(*list, "no such benchmark: "+*only)
}
