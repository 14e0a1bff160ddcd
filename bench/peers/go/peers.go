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
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	mailboxSize = 128
	ringSize    = 503
)

// A message says what it is and, where an answer is wanted, whom to answer.
type message struct {
	value int64
	from  chan message
}

func newMailbox() chan message {
	return make(chan message, mailboxSize)
}

// A result is a figure in its unit; more goes into the JSON line as it is.
type result struct {
	unit   string
	figure float64
	more   string
}

type benchmark struct {
	name        string
	full, quick int // operations counted
	run         func(count int) result
}

var benchmarks = []benchmark{
	{"pingpong", 2000000, 100000, pingpong},
	{"ring503", 5000000, 250000, ring503},
	{"count1", 10000000, 500000, count1},
	{"spawn_seq", 1000000, 50000, spawnSeq},
	{"call", 500000, 25000, call},
	{"memory", 1000000, 50000, memory},
	{"parallel", 1000, 200, parallel},
	{"crash_restart", 200000, 10000, crashRestart},
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

// ring503: 503 goroutines in a ring pass one integer on. One operation is one hop.
func ring503(count int) result {
	done := make(chan bool)
	first := newMailbox()
	self := first
	for i := 0; i < ringSize; i++ {
		next := first
		if i < ringSize-1 {
			next = newMailbox()
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
	start := time.Now()
	first <- message{value: int64(count)}
	<-done
	return since(start, count)
}

// count1: one producer, one consumer that adds the messages up. One operation is one message.
func count1(count int) result {
	total := make(chan int64)
	mailbox := newMailbox()
	start := time.Now()
	go func() {
		var sum int64
		for i := 0; i < count; i++ {
			sum += (<-mailbox).value
		}
		total <- sum
	}()
	go func() {
		for i := 1; i <= count; i++ {
			mailbox <- message{value: int64(i)}
		}
	}()
	sum := <-total
	took := since(start, count)
	check(sum == int64(count)*int64(count+1)/2, "count1: wrong total")
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
			r := b.run(count)
			fmt.Printf(`{"bench":"%s","impl":"go","version":"%s","cores":%d,"ops":%d,%s"%s":%.2f}`+"\n",
				b.name, runtime.Version(), *cores, count, r.more, r.unit, r.figure)
			return
		}
	}
	check(*list, "no such benchmark: "+*only)
}
