%% peers.erl - the benchmarks of bench/README.md as Erlang/OTP does them, in the plainest Erlang.
%%
%% One benchmark a run, one JSON line on stdout. It is a yardstick for Engset and nothing else: no
%% flags and no tricks that a usual Erlang program would not use. run.sh starts it.
-module(peers).
-behaviour(gen_server).
-export([main/0]).
-export([init/1, handle_call/3, handle_cast/2]).

-define(WATCHED, 100).
-define(CROWD, 200).
-define(CREATURES, 100).
-define(JUNK, 10000).
-define(PAIRS, 200).
-define(UNDER_WAY, 1000).

%% Name, operations counted, operations with --quick.
benchmarks() ->
    [{"pingpong",        2000000,  100000, fun pingpong/1},
     {"ring503",         5000000,  250000, fun(Count) -> ring(503, Count) end},
     {"ring100k",        5000000,  250000, fun(Count) -> ring(100000, Count) end},
     {"count1",         10000000,  500000, fun(Count) -> count(1, Count) end},
     {"count8",         10000000,  500000, fun(Count) -> count(8, Count) end},
     {"spawn_seq",       1000000,   50000, fun spawn_seq/1},
     {"spawn",           1000000,   50000, fun spawn_all/1},
     {"skynet",          1000000,  100000, fun skynet/1},
     {"big",             2000000,  100000, fun big/1},
     {"chameneos",       1000000,   50000, fun chameneos/1},
     {"call",             500000,   25000, fun call/1},
     {"selective10k",      20000,    1000, fun selective10k/1},
     {"selective10k_ref", 500000,   25000, fun(Count) -> selective_ref(?JUNK, Count) end},
     {"selective0_ref",   500000,   25000, fun(Count) -> selective_ref(0, Count) end},
     {"timers",          1000000,   50000, fun timers/1},
     {"memory",          1000000,   50000, fun memory/1},
     {"first_message",   1000000,   50000, fun first_message/1},
     {"parallel",           1000,     200, fun parallel/1},
     {"parallel_chatty", 1000000,   50000, fun parallel_chatty/1},
     {"crash_restart",    200000,   10000, fun crash_restart/1},
     {"exit_restart",     200000,   10000, fun exit_restart/1},
     {"monitor_restart",  200000,   10000, fun monitor_restart/1},
     {"echo",             200000,   10000, fun echo/1},
     {"wakeup_p99",         2000,     500, fun wakeup_p99/1},
     {"idle",               5000,     250, fun idle/1},
     {"server_call",      500000,   25000, fun server_call/1},
     {"server_cast",     5000000,  250000, fun server_cast/1},
     {"server_memory",   1000000,   50000, fun server_memory/1},
     {"statem_functions", 2000000, 100000, fun(Count) -> flips(peer_lamp, Count) end},
     {"statem_handler",  2000000,  100000, fun(Count) -> flips(peer_lamp_handler, Count) end},
     {"family_restart500", 150000,   7500, fun(Count) -> restarts(Count, 500) end},
     {"family_restart30k", 30000,    1500, fun(Count) -> restarts(Count, Count) end},
     {"family_100k",      100000,    5000, fun(Count) -> family("family_100k", Count) end},
     {"family_1m",       1000000,   50000, fun(Count) -> family("family_1m", Count) end}].

%% Arguments: list, or NAME full|quick. The exit status is 0 when a line was printed.
main() ->
    Status =
        try run(init:get_plain_arguments())
        catch Class:Reason:Stack ->
            io:format(standard_error, "peers: ~p ~p ~p~n", [Class, Reason, Stack]),
            1
        end,
    halt(Status).

run(["list"]) ->
    [io:format("~s~n", [Name]) || {Name, _, _, _} <- benchmarks()],
    0;
run([Name, Size]) ->
    {Name, Full, Quick, Benchmark} = lists:keyfind(Name, 1, benchmarks()),
    Count = case Size of "full" -> Full; "quick" -> Quick end,
    %% A process of its own, so that nothing is measured in one that init has used.
    {_, Monitor} = spawn_monitor(fun() -> exit({result, Benchmark(Count)}) end),
    receive
        {'DOWN', Monitor, process, _, {result, Result}} -> report(Name, Count, Result), 0;
        {'DOWN', Monitor, process, _, Reason} -> error(Reason)
    end.

report(Name, Count, Figures) when is_list(Figures) ->
    [report(More, Count, {Unit, Figure}) || {More, Unit, Figure} <- Figures, More =/= ""],
    [report(Name, Count, {Unit, Figure}) || {"", Unit, Figure} <- Figures];
report(Name, Count, {Unit, Figure}) ->
    report(Name, Count, {Unit, Figure, ""});
report(Name, Count, {Unit, Figure, More}) ->
    io:format("{\"bench\":\"~s\",\"impl\":\"erlang\",\"version\":\"OTP ~s erts ~s ~s\",\"cores\":~b,"
              "\"ops\":~b,~s\"~s\":~.6f}~n",
              [Name, erlang:system_info(otp_release), erlang:system_info(version),
               erlang:system_info(emu_flavor), erlang:system_info(schedulers_online),
               Count, More, Unit, float(Figure)]).

now_ns() ->
    erlang:monotonic_time(nanosecond).

since(Start, Count) ->
    {"ns_per_op", (now_ns() - Start) / Count}.

%% pingpong: {ping, From} there, pong back. One operation is the round trip.
pingpong(Count) ->
    Main = self(),
    Ponger = spawn_link(fun ponger/0),
    Start = now_ns(),
    spawn_link(fun() -> pinger(Ponger, Count), Main ! done end),
    receive done -> ok end,
    Result = since(Start, Count),
    Ponger ! stop,
    Result.

pinger(_, 0) -> ok;
pinger(Ponger, Left) ->
    Ponger ! {ping, self()},
    receive pong -> pinger(Ponger, Left - 1) end.

ponger() ->
    receive
        {ping, From} -> From ! pong, ponger();
        stop -> ok
    end.

%% ring503, ring100k: processes in a ring pass one integer on. One operation is one hop; the first lap
%% is not counted.
ring(Size, Count) ->
    Main = self(),
    First = spawn(fun() -> receive {next, Next} -> ring_member(Next, Main) end end),
    Last = lists:foldl(fun(_, Next) -> spawn(fun() -> ring_member(Next, Main) end) end,
                       First, lists:seq(2, Size)),
    First ! {next, Last},
    First ! Size,
    receive done -> ok end,
    Start = now_ns(),
    First ! Count,
    receive done -> since(Start, Count) end.

ring_member(Next, Main) ->
    receive
        0 -> Main ! done, ring_member(Next, Main);
        Left -> Next ! Left - 1, ring_member(Next, Main)
    end.

%% count1, count8: producers send {item, I}, one consumer adds them up. One operation is one message.
count(Producers, Count) ->
    Main = self(),
    Each = Count div Producers,
    Consumer = spawn_link(fun() -> Main ! {total, consume(Producers * Each, 0)} end),
    Start = now_ns(),
    [spawn_link(fun() -> produce(Consumer, Each) end) || _ <- lists:seq(1, Producers)],
    Expected = Producers * (Each * (Each + 1) div 2),
    receive {total, Expected} -> since(Start, Count) end.

produce(_, 0) -> ok;
produce(Consumer, I) ->
    Consumer ! {item, I},
    produce(Consumer, I - 1).

consume(0, Total) -> Total;
consume(Left, Total) ->
    receive {item, I} -> consume(Left - 1, Total + I) end.

%% spawn_seq: spawn, one message to the parent, exit; then the next one.
spawn_seq(Count) ->
    Start = now_ns(),
    spawn_next(self(), Count),
    since(Start, Count).

spawn_next(_, 0) -> ok;
spawn_next(Self, Left) ->
    spawn(fun() -> Self ! here end),
    receive here -> spawn_next(Self, Left - 1) end.

%% spawn: all at once; each sends one message to the parent and exits. The parent's messages are kept off
%% its heap: otherwise each garbage collection walks all of them, and the benchmark measures that.
spawn_all(Count) ->
    process_flag(message_queue_data, off_heap),
    Start = now_ns(),
    spawn_more(self(), Count),
    receive_here(Count),
    since(Start, Count).

spawn_more(_, 0) -> ok;
spawn_more(Self, Left) ->
    spawn(fun() -> Self ! here end),
    spawn_more(Self, Left - 1).

receive_here(0) -> ok;
receive_here(Left) -> receive here -> receive_here(Left - 1) end.

%% skynet: a tree, each node starts ten; the leaves send their numbers up. One operation is one leaf.
skynet(Leaves) ->
    Self = self(),
    Start = now_ns(),
    spawn(fun() -> skynet_node(Self, 0, Leaves) end),
    Total = Leaves * (Leaves - 1) div 2,
    receive {sum, Total} -> since(Start, Leaves) end.

skynet_node(Parent, First, 1) -> Parent ! {sum, First};
skynet_node(Parent, First, Size) ->
    Self = self(),
    Part = Size div 10,
    [spawn(fun() -> skynet_node(Self, First + I * Part, Part) end) || I <- lists:seq(0, 9)],
    Parent ! {sum, lists:sum([receive {sum, Sum} -> Sum end || _ <- lists:seq(0, 9)])}.

%% big: 200 processes; each pings others by turns of chance and serves until its pong comes. One
%% operation is one message.
big(Count) ->
    Pings = Count div 2 div ?CROWD,
    Main = self(),
    Crowd = list_to_tuple([spawn(fun() -> big_member(Main, Number, Pings) end)
                           || Number <- lists:seq(0, ?CROWD - 1)]),
    Start = now_ns(),
    [Pid ! {start, Crowd} || Pid <- tuple_to_list(Crowd)],
    [receive ready -> ok end || _ <- lists:seq(1, ?CROWD)],
    Result = since(Start, 2 * ?CROWD * Pings),
    [Pid ! stop || Pid <- tuple_to_list(Crowd)],
    Total = ?CROWD * Pings,
    Total = lists:sum([receive {done, Served} -> Served end || _ <- lists:seq(1, ?CROWD)]),
    Result.

big_member(Main, Number, Pings) ->
    receive {start, Crowd} -> big_ping(Main, Crowd, Number, Pings, Number, 0) end.

big_ping(Main, _, _, 0, _, Served) ->
    Main ! ready,
    big_serve(Main, Served);
big_ping(Main, Crowd, Number, Left, Chance, Served) ->
    Next = (Chance * 69069 + 1) band 16#ffffffff,
    Other = (Next bsr 16) rem (?CROWD - 1),
    To = if Other < Number -> Other; true -> Other + 1 end,
    element(To + 1, Crowd) ! {ping, self()},
    big_ping(Main, Crowd, Number, Left - 1, Next, big_await(Served)).

big_await(Served) ->
    receive
        {ping, From} -> From ! pong, big_await(Served + 1);
        pong -> Served
    end.

big_serve(Main, Served) ->
    receive
        {ping, From} -> From ! pong, big_serve(Main, Served + 1);
        stop -> Main ! {done, Served}
    end.

%% chameneos: 100 creatures meet in pairs at one mall. One operation is one meeting: four messages.
chameneos(Count) ->
    Main = self(),
    Start = now_ns(),
    Mall = spawn_link(fun() -> mall(Count) end),
    [spawn_link(fun() -> creature(Main, Mall, I rem 3, 0) end) || I <- lists:seq(0, ?CREATURES - 1)],
    Total = 2 * Count,
    Total = lists:sum([receive {done, Meetings} -> Meetings end || _ <- lists:seq(1, ?CREATURES)]),
    since(Start, Count).

mall(0) ->
    [receive {meet, Who, _} -> Who ! stop end || _ <- lists:seq(1, ?CREATURES)];
mall(Left) ->
    receive {meet, First, FirstColour} ->
        receive {meet, Second, SecondColour} ->
            First ! {met, Second, SecondColour},
            Second ! {met, First, FirstColour}
        end
    end,
    mall(Left - 1).

creature(Main, Mall, Colour, Meetings) ->
    Mall ! {meet, self(), Colour},
    receive
        {met, Who, Other} when Who =/= self() ->
            creature(Main, Mall, complement(Colour, Other), Meetings + 1);
        stop ->
            Main ! {done, Meetings}
    end.

complement(Colour, Colour) -> Colour;
complement(Colour, Other) -> 3 - Colour - Other.

%% selective10k: a question and its answer while 10,000 other messages lie in the mailbox.
selective10k(Count) ->
    Other = spawn_link(fun answers/0),
    [self() ! {junk, I} || I <- lists:seq(1, ?JUNK)],
    Start = now_ns(),
    ask(Other, Count),
    Result = since(Start, Count),
    expect_junk(?JUNK),
    Result.

ask(_, 0) -> ok;
ask(Other, I) ->
    Other ! {ask, self(), I},
    receive {answer, I} -> ask(Other, I - 1) end.

%% selective10k_ref, selective0_ref: the same by a fresh reference, as gen_server:call does it.
selective_ref(Junk, Count) ->
    Other = spawn_link(fun answers/0),
    [self() ! {junk, I} || I <- lists:seq(1, Junk)],
    Start = now_ns(),
    ask_by_reference(Other, Count),
    Result = since(Start, Count),
    expect_junk(Junk),
    Result.

ask_by_reference(_, 0) -> ok;
ask_by_reference(Other, I) ->
    Reference = make_ref(),
    Other ! {ask, self(), Reference, I},
    receive {Reference, I} -> ask_by_reference(Other, I - 1) end.

answers() ->
    receive
        {ask, From, I} -> From ! {answer, I}, answers();
        {ask, From, Reference, I} -> From ! {Reference, I}, answers()
    end.

expect_junk(Count) ->
    [receive {junk, N} -> N = I end || I <- lists:seq(1, Count)].

%% timers: start all of them, ten minutes and more away, then cancel all. One operation is one start and
%% one cancel.
timers(Count) ->
    Start = now_ns(),
    Timers = start_timers(Count, []),
    cancel_timers(Timers),
    Result = since(Start, Count),
    false = erlang:cancel_timer(hd(Timers)),
    Result.

start_timers(0, Timers) -> Timers;
start_timers(Left, Timers) ->
    Timer = erlang:send_after(600000 + Left rem 600000, self(), late),
    start_timers(Left - 1, [Timer | Timers]).

cancel_timers([]) -> ok;
cancel_timers([Timer | Timers]) ->
    true = erlang:cancel_timer(Timer) > 0,
    cancel_timers(Timers).

%% call: gen_server:call with the usual time-out of five seconds.
call(Count) ->
    {ok, Server} = gen_server:start_link(?MODULE, 0, []),
    Start = now_ns(),
    Count = call_next(Server, Count, 0),
    since(Start, Count).

call_next(_, 0, Answer) -> Answer;
call_next(Server, Left, _) ->
    {ok, Answer} = gen_server:call(Server, {add, 1}),
    call_next(Server, Left - 1, Answer).

init(Total) -> {ok, Total}.
handle_call({add, N}, _, Total) -> {reply, {ok, Total + N}, Total + N}.
handle_cast(_, Total) -> {noreply, Total}.

%% memory: what one idle process costs, as the growth of VmRSS + VmPTE while Count of them come to
%% wait in their receive. The parent keeps no list of them: that would be counted too.
memory(Count) ->
    Waiting = counters:new(1, [atomics]),
    erlang:garbage_collect(),
    Before = resident_bytes(),
    spawn_idle(Waiting, Count),
    wait_until(Waiting, Count),
    {"bytes", (resident_bytes() - Before) / Count}.

spawn_idle(_, 0) -> ok;
spawn_idle(Waiting, Left) ->
    spawn(fun() -> counters:add(Waiting, 1, 1), receive stop -> ok end end),
    spawn_idle(Waiting, Left - 1).

wait_until(Waiting, Count) ->
    case counters:get(Waiting, 1) of
        Count -> ok;
        _ -> erlang:yield(), wait_until(Waiting, Count)
    end.

resident_bytes() ->
    {ok, Status} = file:read_file("/proc/self/status"),
    1024 * (kilobytes(Status, "VmRSS") + kilobytes(Status, "VmPTE")).

kilobytes(Status, Field) ->
    {match, [Digits]} = re:run(Status, [Field, ":\\s+(\\d+) kB"], [{capture, [1], list}]),
    list_to_integer(Digits).

%% first_message: a million processes wait; each gets its first message and answers, one after the other.
first_message(Count) ->
    Waiting = counters:new(1, [atomics]),
    Pids = [spawn(fun() -> counters:add(Waiting, 1, 1), answers() end) || _ <- lists:seq(1, Count)],
    wait_until(Waiting, Count),
    [erlang:yield() || _ <- lists:seq(1, 1000)],
    Start = now_ns(),
    ask_each(Pids, 1),
    since(Start, Count).

ask_each([], _) -> ok;
ask_each([Pid | Pids], I) ->
    Pid ! {ask, self(), I},
    receive {answer, I} -> ask_each(Pids, I + 1) end.

%% parallel: Count processes compute for 1 ms each and report. The figure is the wall time of all
%% divided by Count: 1,000,000 on one core, half of that on two when both are used.
parallel(Count) ->
    Iterations = calibrate(),
    Self = self(),
    Start = now_ns(),
    [spawn(fun() -> Self ! {done, work(Iterations, Seed)} end) || Seed <- lists:seq(1, Count)],
    [receive {done, _} -> ok end || _ <- lists:seq(1, Count)],
    {Unit, Figure} = since(Start, Count),
    {Unit, Figure, io_lib:format("\"iterations\":~b,", [Iterations])}.

%% How many iterations take 1 ms: the best of nine trials of about 10 ms, for the fastest one was
%% disturbed least.
calibrate() ->
    Trial = trial_length(10000),
    Best = lists:min([timed_work(Trial) || _ <- lists:seq(1, 9)]),
    round(Trial * 1000000 / Best).

trial_length(N) ->
    case timed_work(N) >= 10000000 of
        true -> N;
        false -> trial_length(2 * N)
    end.

timed_work(N) ->
    Start = now_ns(),
    Result = work(N, 1),
    Time = now_ns() - Start,
    true = Result >= 0,
    max(Time, 1).

%% parallel_chatty: 200 pairs play ping-pong, and each message costs its receiver 1 us of work. One
%% operation is one message.
parallel_chatty(Count) ->
    Rounds = Count div 2 div ?PAIRS,
    Iterations = calibrate(),
    Work = Iterations div 1000,
    Self = self(),
    Start = now_ns(),
    [spawn_link(fun() -> chatty_pinger(Self, Work, Rounds) end) || _ <- lists:seq(1, ?PAIRS)],
    Total = ?PAIRS * Rounds,
    Total = lists:sum([receive {done, Made} -> Made end || _ <- lists:seq(1, ?PAIRS)]),
    {Unit, Figure} = since(Start, 2 * ?PAIRS * Rounds),
    {Unit, Figure, io_lib:format("\"iterations\":~b,", [Iterations])}.

chatty_pinger(Main, Work, Rounds) ->
    Other = spawn_link(fun() -> chatty_ponger(Work) end),
    Main ! {done, chatty_ping(Other, Work, Rounds, 0)}.

chatty_ping(_, _, Rounds, Rounds) -> Rounds;
chatty_ping(Other, Work, Rounds, I) ->
    Other ! {ping, self(), I},
    receive {pong, Next} -> work(Work, I), chatty_ping(Other, Work, Rounds, Next) end.

chatty_ponger(Work) ->
    receive {ping, From, I} -> work(Work, I), From ! {pong, I + 1}, chatty_ponger(Work) end.

work(0, X) -> X;
work(N, X) -> work(N - 1, (X * 69069 + 1) band 16#ffffffff).

%% crash_restart: spawn_monitor, the child ends by an error, 'DOWN', the next child.
%% Nobody gets the runtime's log message for each crash: handling it would be most of what is
%% measured. An error still pays for its stack trace and for the text that nobody gets, three times
%% what a plain exit costs; exit_restart is the same without these.
crash_restart(Count) ->
    erlang:system_flag(system_logger, undefined),
    restart(Count, fun() -> error(crash) end).

exit_restart(Count) ->
    restart(Count, fun() -> exit(crash) end).

restart(Count, Child) ->
    Start = now_ns(),
    restart_next(Child, Count),
    since(Start, Count).

restart_next(_, 0) -> ok;
restart_next(Child, Left) ->
    {_, Monitor} = spawn_monitor(Child),
    receive
        {'DOWN', Monitor, process, _, {crash, [_ | _]}} -> restart_next(Child, Left - 1);
        {'DOWN', Monitor, process, _, crash} -> restart_next(Child, Left - 1)
    end.

%% monitor_restart: 100 processes are watched; one after the other is told to stop, ends with a reason of
%% its own, and is replaced.
monitor_restart(Count) ->
    Start = now_ns(),
    Watched = queue:from_list([spawn_monitor(fun stops_when_told/0) || _ <- lists:seq(1, ?WATCHED)]),
    monitor_next(Watched, Count),
    since(Start, Count).

monitor_next(_, 0) -> ok;
monitor_next(Watched, Left) ->
    {{value, {Pid, Monitor}}, Others} = queue:out(Watched),
    Pid ! {stop, Left},
    receive
        {'DOWN', Monitor, process, Pid, {shutdown, Left}} ->
            monitor_next(queue:in(spawn_monitor(fun stops_when_told/0), Others), Left - 1)
    end.

stops_when_told() ->
    receive {stop, Number} -> exit({shutdown, Number}) end.

%% echo: one process a connection sends back what it reads; echo-load plays the clients and measures.
echo(Count) ->
    {ok, Listener} = gen_tcp:listen(0, [binary, {ip, {127, 0, 0, 1}}, {backlog, 1024}, {active, false},
                                        {nodelay, true}]),
    {ok, Port} = inet:port(Listener),
    spawn_link(fun() -> accepts(Listener) end),
    Clients = open_port({spawn_executable, os:getenv("ES_BENCH_ECHO_LOAD")},
                        [{args, [integer_to_list(Port), integer_to_list(Count)]}, exit_status]),
    {"ns_per_op", list_to_float(string:trim(output_of(Clients, "")))}.

output_of(Port, Output) ->
    receive
        {Port, {data, More}} -> output_of(Port, Output ++ More);
        {Port, {exit_status, 0}} -> Output
    end.

accepts(Listener) ->
    {ok, Socket} = gen_tcp:accept(Listener),
    Pid = spawn(fun() -> receive yours -> connection(Socket) end end),
    ok = gen_tcp:controlling_process(Socket, Pid),
    Pid ! yours,
    accepts(Listener).

connection(Socket) ->
    case gen_tcp:recv(Socket, 0) of
        {ok, Bytes} -> ok = gen_tcp:send(Socket, Bytes), connection(Socket);
        {error, closed} -> ok
    end.

%% wakeup_p99: how late are sleeps of 1 ms while each scheduler has four processes that compute? The figure
%% is the 99th percentile of the lateness.
wakeup_p99(Count) ->
    Self = self(),
    [spawn(fun computes/0) || _ <- lists:seq(1, 4 * erlang:system_info(schedulers_online))],
    receive after 100 -> ok end,
    [spawn(fun() -> Self ! {late, sleeps(Count div 10, [])} end) || _ <- lists:seq(1, 10)],
    Late = lists:sort(lists:append([receive {late, L} -> L end || _ <- lists:seq(1, 10)])),
    true = hd(Late) >= 0,
    {"ns_per_op", lists:nth(Count * 99 div 100 + 1, Late)}.

computes() -> work(1000, 1), computes().

sleeps(0, Late) -> Late;
sleeps(Left, Late) ->
    Start = now_ns(),
    receive after 1 -> ok end,
    sleeps(Left - 1, [now_ns() - Start - 1000000 | Late]).

%% idle: what a node with 1,000 waiting processes uses of a core, and how often its threads wake up.
idle(Time) ->
    [spawn(fun() -> receive stop -> ok end end) || _ <- lists:seq(1, 1000)],
    receive after 500 -> ok end,
    Start = now_ns(),
    {Cpu0, Wakeups0} = usage(),
    receive after Time -> ok end,
    {Cpu1, Wakeups1} = usage(),
    Took = now_ns() - Start,
    [{"idle_wakeups", "per_second", (Wakeups1 - Wakeups0) * 1.0e9 / Took},
     {"", "cores_used", (Cpu1 - Cpu0) / Took}].

%% CPU time and voluntary context switches of all threads of this OS process.
usage() ->
    {ok, Threads} = file:list_dir("/proc/self/task"),
    lists:foldl(fun(Thread, {Cpu, Wakeups}) ->
                    Folder = "/proc/self/task/" ++ Thread,
                    {ok, Times} = file:read_file(Folder ++ "/schedstat"),
                    {ok, Status} = file:read_file(Folder ++ "/status"),
                    [Used | _] = binary:split(Times, <<" ">>),
                    {match, [Count]} = re:run(Status, "\nvoluntary_ctxt_switches:\\s+(\\d+)",
                                              [{capture, [1], list}]),
                    {Cpu + binary_to_integer(Used), Wakeups + list_to_integer(Count)}
                end, {0, 0}, Threads).

%% server_call, server_cast, server_memory: peer_counter.
server_call(Count) ->
    {ok, Server} = peer_counter:start_link(),
    Start = now_ns(),
    Count = server_call_next(Server, Count, 0),
    since(Start, Count).

server_call_next(_, 0, Total) -> Total;
server_call_next(Server, Left, _) ->
    {ok, Total} = gen_server:call(Server, {add, 1}),
    server_call_next(Server, Left - 1, Total).

server_cast(Count) ->
    {ok, Server} = peer_counter:start_link(),
    Start = now_ns(),
    cast_next(Server, 1, Count),
    since(Start, Count).

%% At most ?UNDER_WAY are under way: a call behind them says that they came.
cast_next(_, I, Count) when I > Count -> ok;
cast_next(Server, I, Count) ->
    gen_server:cast(Server, {add, 1}),
    if I rem ?UNDER_WAY =:= 0 -> I = gen_server:call(Server, total, infinity); true -> ok end,
    cast_next(Server, I + 1, Count).

server_memory(Count) ->
    erlang:garbage_collect(),
    Before = resident_bytes(),
    start_servers(Count),
    {"bytes", (resident_bytes() - Before) / Count}.

start_servers(0) -> ok;
start_servers(Left) ->
    {ok, _} = gen_server:start(peer_counter, [], []),
    start_servers(Left - 1).

%% statem_functions, statem_handler: each cast changes the state.
flips(Machine, Count) ->
    {ok, Pid} = gen_statem:start_link(Machine, [], []),
    Start = now_ns(),
    flip_next(Pid, 1, Count),
    since(Start, Count).

flip_next(_, I, Count) when I > Count -> ok;
flip_next(Pid, I, Count) ->
    gen_statem:cast(Pid, flip),
    if I rem ?UNDER_WAY =:= 0 -> I = gen_statem:call(Pid, count, infinity); true -> ok end,
    flip_next(Pid, I + 1, Count).

%% family_restart500, family_restart30k: one supervisor after the other, Each restarts of the one child of each.
%% Nothing is logged: that would be most of what is measured.
restarts(Count, Each) ->
    logger:set_primary_config(level, none),
    {"ns_per_op", lists:sum([restarts_of_one(Each) || _ <- lists:seq(1, Count div Each)]) / Count}.

restarts_of_one(Each) ->
    {ok, Supervisor} = peer_family:start_link({patient, self()}),
    Child = who_is_up(),
    Start = now_ns(),
    restart_mortal(Child, Each),
    Took = now_ns() - Start,
    gen_server:stop(Supervisor),
    Took.

restart_mortal(_, 0) -> ok;
restart_mortal(Child, Left) ->
    gen_server:cast(Child, crash),
    restart_mortal(who_is_up(), Left - 1).

who_is_up() ->
    receive {up, Child} -> Child end.

%% family_100k, family_1m: children of one simple_one_for_one. The figure is their start; and their memory, counting and
%% stopping them, each per child.
family(Name, Count) ->
    erlang:garbage_collect(),
    Before = resident_bytes(),
    {ok, Supervisor} = peer_family:start_link(crowd),
    {StartTime, ok} = timed(fun() -> start_children(Supervisor, Count) end),
    Bytes = resident_bytes() - Before,
    {CountTime, Counts} = timed(fun() -> supervisor:count_children(Supervisor) end),
    Count = proplists:get_value(active, Counts),
    {StopTime, ok} = timed(fun() -> gen_server:stop(Supervisor) end),
    [{Name ++ "_memory", "bytes", Bytes / Count},
     {Name ++ "_count", "ns_per_op", CountTime / Count},
     {Name ++ "_stop", "ns_per_op", StopTime / Count},
     {"", "ns_per_op", StartTime / Count}].

start_children(_, 0) -> ok;
start_children(Supervisor, Left) ->
    {ok, _} = supervisor:start_child(Supervisor, []),
    start_children(Supervisor, Left - 1).

timed(Function) ->
    Start = now_ns(),
    Result = Function(),
    {now_ns() - Start, Result}.
