%% peers.erl - the benchmarks of bench/README.md as Erlang/OTP does them, in the plainest Erlang.
%%
%% One benchmark a run, one JSON line on stdout. It is a yardstick for Engset and nothing else: no
%% flags and no tricks that a usual Erlang program would not use. run.sh starts it.
-module(peers).
-behaviour(gen_server).
-export([main/0]).
-export([init/1, handle_call/3, handle_cast/2]).

-define(RING_SIZE, 503).

%% Name, operations counted, operations with --quick.
benchmarks() ->
    [{"pingpong",      2000000,  100000, fun pingpong/1},
     {"ring503",       5000000,  250000, fun ring503/1},
     {"count1",       10000000,  500000, fun count1/1},
     {"spawn_seq",     1000000,   50000, fun spawn_seq/1},
     {"call",           500000,   25000, fun call/1},
     {"memory",        1000000,   50000, fun memory/1},
     {"parallel",         1000,     200, fun parallel/1},
     {"crash_restart",  200000,   10000, fun crash_restart/1},
     {"exit_restart",   200000,   10000, fun exit_restart/1}].

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

report(Name, Count, {Unit, Figure}) ->
    report(Name, Count, {Unit, Figure, ""});
report(Name, Count, {Unit, Figure, More}) ->
    io:format("{\"bench\":\"~s\",\"impl\":\"erlang\",\"version\":\"OTP ~s erts ~s ~s\",\"cores\":~b,"
              "\"ops\":~b,~s\"~s\":~.2f}~n",
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

%% ring503: 503 processes in a ring pass one integer on. One operation is one hop.
ring503(Count) ->
    Main = self(),
    First = spawn_link(fun() -> receive {next, Next} -> ring_member(Next, Main) end end),
    Last = lists:foldl(fun(_, Next) -> spawn_link(fun() -> ring_member(Next, Main) end) end,
                       First, lists:seq(2, ?RING_SIZE)),
    First ! {next, Last},
    Start = now_ns(),
    First ! Count,
    receive done -> since(Start, Count) end.

ring_member(Next, Main) ->
    receive
        0 -> Main ! done, ring_member(Next, Main);
        Left -> Next ! Left - 1, ring_member(Next, Main)
    end.

%% count1: one producer sends {item, I}, one consumer adds them up. One operation is one message.
count1(Count) ->
    Main = self(),
    Consumer = spawn_link(fun() -> Main ! {total, consume(Count, 0)} end),
    Start = now_ns(),
    spawn_link(fun() -> produce(Consumer, Count) end),
    Expected = Count * (Count + 1) div 2,
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
