%% oracle.erl - plays the scenarios of tests/oracle/cases on Erlang itself.
%%
%%     erl -noshell -pa DIR -run oracle main -extra [--rounds-divisor N] [--only ID] [--alone] FILE...
%%
%% What a scenario says is in README.md. Each observation becomes one line on standard output:
%%     case <TAB> title <TAB> round <TAB> process <TAB> step <TAB> what <TAB> answer
%% The same scenarios are played by Engset in player.c; compare.py lays the two side by side.
-module(oracle).
-export([main/0, go_on/2]).
-export([actor/2, unseen_actor/1, set_variable/3, event/4, play_unseen/3, start/3, play_started/1, look_up/1, start_of/1]).

-define(PATIENCE, 30000).   % milliseconds; who waits so long waits in vain
-define(QUIET, 20).         % how long "nothing comes" is
-define(COARSE, 100000).    % what is left of a timer is rounded up to this

main() ->
    logger:set_primary_config(level, none),
    {Divisor, Only, Alone, Files} = options(init:get_plain_arguments(), {1, all, false, []}),
    [play(Scenario, Divisor) || File <- Files, Scenario <- read(File), is_wanted(Scenario, Only, Alone)],
    erlang:halt(0).

options(["--rounds-divisor", N | Rest], {_, Only, Alone, Files}) -> options(Rest, {list_to_integer(N), Only, Alone, Files});
options(["--only", Id | Rest], {Divisor, _, Alone, Files}) -> options(Rest, {Divisor, list_to_atom(Id), Alone, Files});
options(["--alone" | Rest], {Divisor, Only, _, Files}) -> options(Rest, {Divisor, Only, true, Files});
options([File | Rest], {Divisor, Only, Alone, Files}) -> options(Rest, {Divisor, Only, Alone, Files ++ [File]});
options([], Options) -> Options.

read(File) ->
    {ok, [Scenarios]} = file:consult(File),
    Scenarios.

%% One that ends the whole program is played by itself.
is_wanted({Id, _, Options, _}, Only, Alone) ->
    (Only =:= all orelse Id =:= Only) andalso lists:member(alone, Options) =:= Alone.

play({Id, Title, Options, Roles}, Divisor) ->
    Rounds = max(1, proplists:get_value(rounds, Options, 1) div Divisor),
    [begin
         {_, Ref} = spawn_monitor(fun() -> record({Id, Title, Round}, maps:from_list(Roles)) end),
         receive
             {'DOWN', Ref, process, _, normal} -> ok;
             {'DOWN', Ref, process, _, Why} -> io:format("~p: the recorder ended: ~p~n", [Id, Why]), halt(1)
         end
     end || Round <- lists:seq(1, Rounds)].

%% ------------------------------------------------------------------ the recorder
%%
%% Who spawns tells it first; it monitors the new process, and only then does that one begin. It keeps what it is told as it
%% is, and gives pids and references their names when the round is over.

record(Head, Roles) ->
    oracle_app:forget(),
    persistent_term:put(oracle_round, {self(), Roles, none}),
    Main = spawn_role(main, #{'Main' => none, 'Node' => node()}, [], Roles, self()),
    State = note_spawned(main, Main, true, #{head => Head, main => Main, names => [{group_leader(), leader}],
                                              watched => #{}, ended => [], waiting => [], notes => []}),
    persistent_term:put(oracle_round, {self(), Roles, Main}),
    Main ! {oracle_go, self()},
    listen(State).

listen(#{main := Main} = S) ->
    receive
        {oracle_spawned, From, Role, Pid, IsWatched} ->
            Noted = note_spawned(Role, Pid, IsWatched, S),
            From ! {oracle_noted, self()},
            listen(Noted);
        {oracle_ended, From, Pid} ->
            listen(answer_waiting(S#{waiting := [{From, Pid} | maps:get(waiting, S)]}));
        {oracle_note, Pid, Step, Pattern, Call, Answer} ->
            listen(note({Pid, Step, Pattern, Call, Answer}, S));
        {'DOWN', Ref, process, Main, Reason} when is_map_key(Ref, map_get(watched, S)) ->
            finish(note({Main, 'end', none, ends, {value, Reason}}, forget(Ref, Main, S)));
        {'DOWN', Ref, process, Pid, Reason} ->
            listen(answer_waiting(note({Pid, 'end', none, ends, {value, Reason}}, forget(Ref, Pid, S))))
    after ?PATIENCE * 2 ->
        io:format("~p is stuck~n", [maps:get(head, S)]),
        erlang:halt(1)
    end.

note_spawned(Role, Pid, IsWatched, #{names := Names, watched := Watched} = S) ->
    Named = S#{names := [{Pid, free_name(Role, 1, Names)} | Names]},
    case IsWatched of
        true ->
            Ref = erlang:monitor(process, Pid),
            true = is_process_alive(Pid), % the monitor is there: nothing else orders it before what others send
            Named#{watched := Watched#{Ref => Pid}};
        false -> Named
    end.

%% The second process of a role is role.2.
free_name(Role, N, Names) ->
    Name = case N of 1 -> Role; _ -> list_to_atom(lists:concat([Role, ".", N])) end,
    case lists:keymember(Name, 2, Names) of
        true -> free_name(Role, N + 1, Names);
        false -> Name
    end.

note(Note, #{notes := Notes} = S) -> S#{notes := [Note | Notes]}.

forget(Ref, Pid, #{watched := Watched, ended := Ended} = S) ->
    S#{watched := maps:remove(Ref, Watched), ended := [Pid | Ended]}.

answer_waiting(#{waiting := Waiting, ended := Ended} = S) ->
    {Now, Later} = lists:partition(fun({_, Pid}) -> lists:member(Pid, Ended) end, Waiting),
    [From ! {oracle_noted, self()} || {From, _} <- Now],
    S#{waiting := Later}.

%% The first process has ended: who is there still lives on, as far as the scenario goes. All are asked before the first is
%% ended, which may end others through their links.
finish(#{watched := Watched} = S) ->
    Last = [{Pid, Ref, is_process_alive(Pid)} || {Ref, Pid} <- maps:to_list(Watched)],
    [exit(Pid, kill) || {Pid, _, true} <- Last],
    tell(lists:foldl(fun note_last/2, S, Last)).

note_last({Pid, Ref, IsAlive}, S) ->
    receive
        {'DOWN', Ref, process, _, _} when IsAlive -> note({Pid, 'end', none, lives, {value, true}}, S);
        {'DOWN', Ref, process, _, Reason} -> note({Pid, 'end', none, ends, {value, Reason}}, S)
    end.

tell(#{head := {Id, Title, Round}, notes := Newest, names := Pids}) ->
    Notes = lists:reverse(Newest),
    Names = maps:from_list(Pids ++ references(Notes, maps:from_list(Pids))),
    [io:format("~s\t~s\t~b\t~s\t~p\t~s\t~s~n",
               [Id, Title, Round, maps:get(Pid, Names), Step, name_of(Call), text_of(Answer, Names)])
     || {Pid, Step, _, Call, Answer} <- Notes].

name_of({Word, Call}) when Word =:= may; Word =:= never; Word =:= 'catch' -> lists:concat([Word, " ", name_of(Call)]);
name_of(Call) when is_tuple(Call) -> atom_to_list(element(1, Call));
name_of(Call) -> atom_to_list(Call).

text_of({value, Value}, Names) -> text(Value, Names);
text_of({error, Reason}, Names) -> ["error ", text(Reason, Names)].

%% A reference is called after the process that made it and the variable that holds it.
references(Notes, Pids) ->
    lists:append([named(Pattern, Value, lists:concat([maps:get(Pid, Pids), "."]), Step)
                  || {Pid, Step, Pattern, Call, {value, Value}} <- Notes, makes_references(Call)]).

makes_references(Call) ->
    lists:member(element(1, {call_of(Call)}),
                 [spawn_monitor, spawn_opt, monitor, alias, make_ref, start_timer, send_after, start, start_monitor,
                  send_request]).

call_of(Call) when is_tuple(Call) -> element(1, Call);
call_of(Call) -> Call.

named(Pattern, Ref, Prefix, _) when is_reference(Ref), is_atom(Pattern), Pattern =/= none ->
    [{Ref, list_to_atom("#" ++ Prefix ++ atom_to_list(Pattern))}];
named(_, Ref, Prefix, Step) when is_reference(Ref) -> [{Ref, list_to_atom(lists:concat(["#", Prefix, Step]))}];
named({_, Pattern}, {_, Value}, Prefix, Step) -> named(Pattern, Value, Prefix, Step);
named(none, {_, Value}, Prefix, Step) -> named(none, Value, Prefix, Step);
named(_, _, _, _) -> [].

text(Pid, Names) when is_pid(Pid) -> ["<", atom_to_list(maps:get(Pid, Names, '?')), ">"];
text(Ref, Names) when is_reference(Ref) -> atom_to_list(maps:get(Ref, Names, '#?'));
text({Reason, [{M, F, A, _} = Top | _]}, Names) when is_atom(M), is_atom(F), is_integer(A) orelse is_list(A) -> ["{", text(Reason, Names), ",", place(Top), "}"];
text(Tuple, Names) when is_tuple(Tuple) -> ["{", texts(tuple_to_list(Tuple), Names), "}"];
text(List, Names) when is_list(List) -> ["[", texts(List, Names), "]"];
text(Other, _) -> io_lib:format("~w", [Other]).

texts(Terms, Names) -> lists:join(",", [text(Term, Names) || Term <- Terms]).

%% Where an error happened: in a function of Erlang's, or in a step of the scenario itself.
place({erlang, Function, Arguments, _}) when is_list(Arguments) -> place({erlang, Function, length(Arguments), []});
place({erlang, Function, Arity, _}) -> io_lib:format("[erlang:~s/~b]", [Function, Arity]);
place(_) -> "Where".

%% ------------------------------------------------------------------ a process of the scenario

spawn_role(Role, Env, Options, Roles, Recorder) ->
    State = #{env => Env, roles => Roles, recorder => Recorder, actor => none},
    IsWatched = not lists:member(unwatched, Options),
    spawn_opt(fun() ->
                      Mine = maps:merge(Env, #{'Self' => self()}),
                      Known = case Role of main -> Mine#{'Main' => self()}; _ -> Mine end,
                      [receive {oracle_go, Recorder} -> ok end || IsWatched],
                      run(maps:get(Role, Roles), State#{env := Known})
              end, [option(Option) || Option <- Options, Option =/= unwatched]).

option({memory_limit, Bytes}) ->
    {max_heap_size, #{size => Bytes div 8, kill => true, error_logger => false}};
option(Option) -> Option.

run([], State) -> State;
run([hibernate | Rest], State) -> erlang:hibernate(?MODULE, go_on, [Rest, State]);
run([{tell, To, Message} | Rest], #{env := Env} = State) ->
    value(To, Env) ! value(Message, Env),
    next_step(),
    run(Rest, State);
run([{'=', Pattern, Call} | Rest], State) -> run(Rest, step(Pattern, Call, State));
run([Call | Rest], State) -> run(Rest, step(none, Call, State)).

go_on(Rest, State) -> run(Rest, tell_recorder(none, hibernate, {value, ok}, State)).

step(Pattern, {Word, Call}, State) when Word =:= may; Word =:= never ->
    {Answer, Later} = call(Call, State),
    tell_recorder(Pattern, {Word, Call}, {value, Answer}, bind(Pattern, Answer, Later));
step(Pattern, {'catch', Call}, State) ->
    try call(Call, State) of
        {Answer, Later} -> tell_recorder(Pattern, {'catch', Call}, {value, Answer}, bind(Pattern, Answer, Later))
    catch
        error:Reason -> tell_recorder(Pattern, {'catch', Call}, {error, Reason}, State);
        exit:Reason -> tell_recorder(Pattern, {'catch', Call}, {error, Reason}, State)
    end;
step(Pattern, Call, State) ->
    {Answer, Later} = call(Call, State),
    Next = tell_recorder(Pattern, Call, {value, Answer}, bind(Pattern, Answer, Later)),
    let_go(call_of(Call), Answer, Next),
    Next.

tell_recorder(_, _, _, #{recorder := nobody} = State) -> State;
tell_recorder(Pattern, Call, Answer, #{recorder := Recorder} = State) ->
    Recorder ! {oracle_note, self(), next_step(), Pattern, Call, Answer},
    keep(State).

%% The steps of a process are numbered, whichever script they are of.
next_step() ->
    Step = case get(oracle_step) of undefined -> 1; N -> N end,
    put(oracle_step, Step + 1),
    Step.

%% What a callback's script has come to stays also when the callback ends by an exit.
keep(#{actor := none} = State) -> State;
keep(#{actor := Name} = State) -> put(Name, State), State.

%% Who was spawned begins when its spawner has told the recorder that it was.
let_go(Call, Answer, #{recorder := Recorder})
  when Call =:= spawn; Call =:= spawn_link; Call =:= spawn_monitor; Call =:= spawn_opt ->
    pid_of(Answer) ! {oracle_go, Recorder};
let_go(_, _, _) -> ok.

pid_of({Pid, _}) -> Pid;
pid_of(Pid) -> Pid.

bind(none, _, State) -> State;
bind(Pattern, Value, #{env := Env} = State) ->
    {match, New} = match(Pattern, Value, Env),
    State#{env := New}.

%% A variable is an atom that begins with a capital; 'EXIT' and 'DOWN' are none.
is_variable('EXIT') -> false;
is_variable('DOWN') -> false;
is_variable(Atom) when is_atom(Atom) ->
    case atom_to_list(Atom) of
        [C | _] when C >= $A, C =< $Z -> true;
        _ -> false
    end;
is_variable(_) -> false.

value(Tuple, Env) when is_tuple(Tuple) -> list_to_tuple(value(tuple_to_list(Tuple), Env));
value(List, Env) when is_list(List) -> [value(Term, Env) || Term <- List];
value(Term, Env) ->
    case is_variable(Term) of
        true -> maps:get(Term, Env);
        false -> Term
    end.

match('_', _, Env) -> {match, Env};
match(Pattern, Value, Env) when is_tuple(Pattern), is_tuple(Value), tuple_size(Pattern) =:= tuple_size(Value) ->
    match_all(tuple_to_list(Pattern), tuple_to_list(Value), Env);
match(Pattern, Value, Env) ->
    case is_variable(Pattern) andalso not is_map_key(Pattern, Env) of
        true -> {match, Env#{Pattern => Value}};
        false ->
            case value(Pattern, Env) of
                Value -> {match, Env};
                _ -> nomatch
            end
    end.

match_all([], [], Env) -> {match, Env};
match_all([Pattern | Patterns], [Value | Values], Env) ->
    case match(Pattern, Value, Env) of
        {match, More} -> match_all(Patterns, Values, More);
        nomatch -> nomatch
    end.

%% ------------------------------------------------------------------ the steps

%% What takes a pattern, or needs more than values.
call({'receive', Pattern}, State) -> take(Pattern, ?PATIENCE, State);
call({'receive', Pattern, Time}, State) -> take(Pattern, Time, State);
call(quiet, State) -> take('_', ?QUIET, State);
call({peek, Pattern}, #{env := Env} = State) -> {peek(Pattern, Env, ?PATIENCE), State};
call(drain, State) -> {drain(), State};
call(wait, State) -> receive oracle_never_sent -> {ok, State} end;
call({until, Call, Wanted}, State) -> until(Call, value(Wanted, maps:get(env, State)), State);
call({ended, Pid}, #{env := Env, recorder := Recorder} = State) ->
    Recorder ! {oracle_ended, self(), value(Pid, Env)},
    receive {oracle_noted, Recorder} -> {ok, State} end;
call({spawn, Role}, State) -> spawned(Role, [], State);
call({spawn_link, Role}, State) -> spawned(Role, [link], State);
call({spawn_monitor, Role}, State) -> spawned(Role, [monitor], State);
call({spawn_opt, Role, Options}, State) -> spawned(Role, Options, State);
call({start, Role}, State) -> started(Role, [], [], State);
call({start, Role, Options}, State) -> started(Role, [], Options, State);
call({start_link, Role}, State) -> started(Role, [link], [], State);
call({start_link, Role, Options}, State) -> started(Role, [link], Options, State);
call({start_monitor, Role}, State) -> started(Role, [monitor], [], State);
call({start_monitor, Role, Options}, State) -> started(Role, [monitor], Options, State);
call({add_handler, To, Handler, Args}, State) -> add_handler(add_handler, To, Handler, Args, State);
call({add_sup_handler, To, Handler, Args}, State) -> add_handler(add_sup_handler, To, Handler, Args, State);
call({swap_handler, To, Old, OldArgs, New, Args}, State) -> swap(swap_handler, To, {Old, OldArgs}, New, Args, State);
call({swap_sup_handler, To, Old, OldArgs, New, Args}, State) -> swap(swap_sup_handler, To, {Old, OldArgs}, New, Args, State);
call(Call, #{env := Env} = State) -> {do(value(Call, Env)), State}.

take(Pattern, Time, #{env := Env} = State) ->
    Taken = prim_eval:'receive'(fun(Message) ->
                                        case match(Pattern, Message, Env) of
                                            {match, New} -> {Message, New};
                                            nomatch -> nomatch
                                        end
                                end, Time),
    case Taken of
        {Message, New} -> {without_time(Message), State#{env := New}};
        _ -> {timeout, State}
    end.

peek(_, _, 0) -> timeout;
peek(Pattern, Env, Left) ->
    {messages, Messages} = process_info(self(), messages),
    case [M || M <- Messages, match(Pattern, M, Env) =/= nomatch] of
        [First | _] -> without_time(First);
        [] -> timer:sleep(1), peek(Pattern, Env, Left - 1)
    end.

drain() ->
    receive Message -> [without_time(Message) | drain()] after 0 -> [] end.

until(Call, Wanted, State) -> until(Call, Wanted, State, ?PATIENCE).
until(_, _, State, 0) -> {timeout, State};
until(Call, Wanted, State, Left) ->
    {Answer, _} = call(Call, State),
    case lists:member(Answer, Wanted) of
        true -> {ok, State};
        false -> timer:sleep(1), until(Call, Wanted, State, Left - 1)
    end.

spawned(Role, Options, #{env := Env, roles := Roles, recorder := Recorder} = State) ->
    Answer = spawn_role(Role, Env, Options, Roles, Recorder),
    announce(Recorder, Role, pid_of(Answer), not lists:member(unwatched, Options)),
    {Answer, State}.

announce(Recorder, Role, Pid, IsWatched) ->
    Recorder ! {oracle_spawned, self(), Role, Pid, IsWatched},
    receive {oracle_noted, Recorder} -> ok end.

without_time({cancel_timer, Ref, Left}) -> {cancel_timer, Ref, coarse(Left)};
without_time(Message) -> Message.

coarse(Left) when is_integer(Left), Left > 0 -> (Left + ?COARSE - 1) div ?COARSE * ?COARSE;
coarse(Other) -> Other.

time({now, Offset}) -> erlang:monotonic_time(millisecond) + Offset;
time(before_start) ->
    erlang:convert_time_unit(erlang:system_info(start_time), native, millisecond) - 1000.

%% The calls themselves: values in, a value out.
do({send, To, Message}) ->
    case erlang:send(To, Message) of
        Message -> the_message;
        Other -> {something_else, Other}
    end;
do({exit, Reason}) -> exit(Reason);
do({exit, Pid, Reason}) -> exit(Pid, Reason);
do(crash) -> error(crash);
do({link, Pid}) -> link(Pid);
do({unlink, Pid}) -> unlink(Pid);
do({monitor, Object}) -> erlang:monitor(process, Object);
do({monitor, Object, Options}) -> erlang:monitor(process, Object, Options);
do({demonitor, Ref}) -> erlang:demonitor(Ref);
do({demonitor, Ref, Options}) -> erlang:demonitor(Ref, Options);
do({alias, Mode}) -> erlang:alias([Mode]);
do({unalias, Ref}) -> erlang:unalias(Ref);
do(make_ref) -> make_ref();
do({register, Name, Pid}) -> register(Name, Pid);
do({unregister, Name}) -> unregister(Name);
do({whereis, Name}) -> whereis(Name);
do({trap_exit, On}) -> process_flag(trap_exit, On);
do({priority, Level}) -> process_flag(priority, Level);
do(group_leader) -> group_leader();
do({group_leader, Leader, Pid}) -> group_leader(Leader, Pid);
do({suspend, Pid}) -> erlang:suspend_process(Pid);
do({resume, Pid}) -> erlang:resume_process(Pid);
do({start_timer, Time, To, Message}) -> erlang:start_timer(Time, To, Message);
do({start_timer, Time, To, Message, absolute}) -> erlang:start_timer(time(Time), To, Message, [{abs, true}]);
do({send_after, Time, To, Message}) -> erlang:send_after(Time, To, Message);
do({cancel_timer, Ref}) -> coarse(erlang:cancel_timer(Ref));
do({cancel_timer, Ref, Options}) -> erlang:cancel_timer(Ref, Options);
do({read_timer, Ref}) -> coarse(erlang:read_timer(Ref));
do({is_process_alive, Pid}) -> is_process_alive(Pid);
do({process_info, Pid, link_count}) -> count(process_info(Pid, links));
do({process_info, Pid, monitor_count}) -> count(process_info(Pid, monitors));
do({process_info, Pid, Item}) -> process_info(Pid, Item);
do({eat, Bytes}) -> length(lists:seq(1, Bytes div 16));
do({sleep, Time}) -> timer:sleep(Time);
do({say, Text}) -> io:put_chars(atom_to_list(Text));
do({halt, Status}) -> erlang:halt(Status);
do({init_ack, Answer}) -> proc_lib:init_ack(Answer), ok;
do({stop, To}) -> proc_lib:stop(To, normal, ?PATIENCE);
do({stop, To, Reason}) -> proc_lib:stop(To, Reason, ?PATIENCE);
do({stop, To, Reason, Time}) -> proc_lib:stop(To, Reason, Time);
do({call, To, Request}) -> gen_server:call(To, Request, ?PATIENCE);
do({call, To, Request, Time}) -> gen_server:call(To, Request, Time);
do({cast, To, Message}) -> gen_server:cast(To, Message);
do({reply, From, Reply}) -> gen_server:reply(From, Reply);
do({send_request, To, Request}) -> gen_server:send_request(To, Request);
do({receive_response, Id, Time}) -> response(gen_server:receive_response(Id, Time));
do({wait_response, Id, Time}) -> response(gen_server:wait_response(Id, Time));
do({multi_call, Nodes, Name, Request}) -> gen_server:multi_call(Nodes, Name, Request, ?PATIENCE);
do({set, Count}) -> put(oracle_count, Count), ok;
do({delete_handler, To, Handler, Args}) -> gen_event:delete_handler(To, handler(Handler), Args);
do({call_handler, To, Handler, Request}) -> gen_event:call(To, handler(Handler), Request, ?PATIENCE);
do({notify, To, Event}) -> gen_event:notify(To, Event);
do({sync_notify, To, Event}) -> gen_event:sync_notify(To, Event);
do({which_handlers, To}) -> gen_event:which_handlers(To);
do({start_child, Sup, {extra, Args}}) -> supervisor:start_child(Sup, [Args]);
do({start_child, Sup, Settings}) -> supervisor:start_child(Sup, oracle_sup:child(Settings));
do({start_and_kill, Sup, Role, Count}) ->
    Started = [Pid || _ <- lists:seq(1, Count), {ok, Pid} <- [supervisor:start_child(Sup, [Role])]],
    [exit(Pid, kill) || Pid <- Started],
    length(Started);
do({terminate_child, Sup, Id}) -> supervisor:terminate_child(Sup, Id);
do({restart_child, Sup, Id}) -> supervisor:restart_child(Sup, Id);
do({delete_child, Sup, Id}) -> supervisor:delete_child(Sup, Id);
do({which_children, Sup}) -> supervisor:which_children(Sup);
do({count_children, Sup}) -> [Count || {_, Count} <- supervisor:count_children(Sup)];
do({check_children, Children}) -> supervisor:check_childspecs([oracle_sup:child(Child) || Child <- Children], any_significant);
do({child_settings, Sup, Id}) -> settings(supervisor:get_childspec(Sup, Id));
do({sys_suspend, To}) -> sys:suspend(To);
do({sys_resume, To}) -> sys:resume(To);
do({sys_get_state, To}) -> sys:get_state(To);
do({sys_replace_state, To, State}) -> sys:replace_state(To, fun({tally, _}) -> {tally, _} = State end);
do({sup_change_code, To, Role, By}) -> next_version({Role, By}), sys:change_code(To, oracle_sup, undefined, []);
do({sys_change_code, To, Extra}) -> sys:change_code(To, oracle_server, undefined, Extra);
do({app_start, App}) -> oracle_app:load(App), application:start(App);
do({app_start, App, Type}) -> oracle_app:load(App), application:start(App, Type);
do({app_ensure, App}) -> oracle_app:load(App), application:ensure_all_started(App);
do({app_stop, App}) -> application:stop(App);
do({app_runs, App}) -> lists:keymember(App, 1, application:which_applications());
do({app_load, App}) -> oracle_app:load_one(App);
do({app_unload, App}) -> application:unload(App);
do({app_get_env, App, Key}) -> application:get_env(App, Key);
do({app_set_env, App, Key, Value}) -> application:set_env(App, Key, Value);
do({app_of, Pid}) -> application:get_application(Pid).

count({_, List}) -> length(List);
count(Other) -> Other.

%% ------------------------------------------------------------------ behaviours
%%
%% Their callbacks are in oracle_server.erl, oracle_statem.erl, oracle_handler.erl, oracle_sup.erl and oracle_app.erl: each asks event/4 what the
%% scenario says.

%% Begins the script of a process or a handler that was started with Role, {Role, Args} or {Role, Args, Variables}: {Args, State}.
actor(Name, Start) ->
    {Role, Args, State} = actor_state(Name, Start),
    announce(maps:get(recorder, State), Role, self(), true),
    {Args, keep(State)}.

unseen_actor({Name, Start}) ->
    {_, Args, State} = actor_state(Name, Start),
    {Args, keep(State)}.

actor_state(Name, Start) ->
    {Role, Args, Variables} = start_of(Start),
    {Recorder, Roles, Main} = persistent_term:get(oracle_round),
    Env = maps:merge(Variables, #{'Self' => self(), 'Main' => Main, 'Node' => node()}),
    {Role, Args, #{env => Env, roles => Roles, recorder => Recorder, actor => Name, role => Role}}.

start_of({Role, Args, Variables}) -> {Role, Args, Variables};
start_of({Role, Args}) -> {Role, Args, #{}};
start_of(Role) -> {Role, [], #{}}.

%% The script's answer to Event; noreply if it says nothing. Shown is what the recorder is told.
event(Name, Word, Event, Shown) ->
    State = tell_recorder(none, Word, {value, Shown}, get(Name)),
    case clause(Event, clauses(State), maps:get(env, State)) of
        none -> noreply;
        {Steps, Answer, Env} ->
            Later = run(Steps, keep(State#{env := Env})),
            keep(Later),
            value(Answer, maps:get(env, Later))
    end.

set_variable(Name, Variable, Value) ->
    #{env := Env} = State = get(Name),
    keep(State#{env := Env#{Variable => Value}}).

%% The same for an application's callback, of which nothing is written down; ok if the script says nothing.
play_unseen(Event, Clauses, Self) ->
    {_, Roles, Main} = persistent_term:get(oracle_round),
    State = #{env => #{'Self' => Self, 'Main' => Main}, roles => Roles, recorder => nobody, actor => none},
    case clause(Event, Clauses, maps:get(env, State)) of
        none -> ok;
        {Steps, Answer, Env} -> value(Answer, maps:get(env, run(Steps, State#{env := Env})))
    end.

clauses(#{role := Role, roles := Roles}) ->
    Script = maps:get(Role, Roles),
    element(tuple_size(Script), Script).

clause(_, [], _) -> none;
clause(Event, [Clause | Rest], Env) ->
    case match(element(1, Clause), Event, Env) of
        {match, New} when tuple_size(Clause) =:= 3 -> {element(2, Clause), element(3, Clause), New};
        {match, New} -> {[], element(2, Clause), New};
        nomatch -> clause(Event, Rest, Env)
    end.

look_up(Role) ->
    {_, Roles, _} = persistent_term:get(oracle_round),
    maps:get(Role, Roles).

%% From here on a supervisor's next version is what `Role` says.
next_version({Role, By}) ->
    {Recorder, Roles, Main} = persistent_term:get(oracle_round),
    persistent_term:put(oracle_round, {Recorder, Roles#{Role := maps:get(By, Roles)}, Main}).

%% A process of plain steps that proc_lib starts.
play_started(Start) ->
    {Args, #{roles := Roles, env := Env, role := Role} = State} = actor(oracle_actor, Start),
    run(maps:get(Role, Roles), State#{env := Env#{'Args' => Args}}).

started(Role, How, Given, #{env := Env, recorder := Recorder} = State) ->
    Options = How ++ [case Option of {Key, Value} -> {Key, value(Value, Env)}; _ -> Option end || Option <- Given],
    Answer = start(Role, {Role, proplists:get_value(args, Options, []), Env}, Options),
    case {look_up(Role), Answer} of
        {manager, {ok, Who}} -> announce(Recorder, Role, pid_of(Who), true);
        _ -> ok
    end,
    {Answer, State}.

%% The function that starts what Role is.
start(Role, Start, Options) ->
    How = case {lists:member(link, Options), lists:member(monitor, Options)} of
              {true, _} -> start_link;
              {_, true} -> start_monitor;
              _ -> start
          end,
    Time = proplists:get_value(time, Options, infinity),
    Name = case proplists:get_value(name, Options) of undefined -> []; N -> [{local, N}] end,
    case look_up(Role) of
        Steps when is_list(Steps) -> proc_lib:How(oracle, play_started, [Start], Time);
        manager -> apply(gen_event, How, Name);
        {supervisor, _, _} -> apply(supervisor, start_link, Name ++ [oracle_sup, Start]);
        {supervisor, _} -> apply(supervisor, start_link, Name ++ [oracle_sup, Start]);
        {Kind, _} -> apply(gen(Kind), How, Name ++ [module(Kind), Start, [{timeout, Time}]]);
        {Kind, _, _} -> apply(gen(Kind), How, Name ++ [module(Kind), Start, [{timeout, Time}]])
    end.

gen(statem) -> gen_statem;
gen(_) -> gen_server.

module(statem) -> oracle_statem;
module(bare) -> oracle_bare;
module(server) -> oracle_server.

%% A handler: Role, with that as its id, or {plain, Role} without one.
handler({plain, _}) -> oracle_handler;
handler(Role) -> {oracle_handler, Role}.

role_of({plain, Role}) -> Role;
role_of(Role) -> Role.

add_handler(How, To, Handler, Args, #{env := Env} = State) ->
    {gen_event:How(value(To, Env), handler(Handler), {role_of(Handler), value(Args, Env), Env}), State}.

swap(How, To, {Old, OldArgs}, New, Args, #{env := Env} = State) ->
    {gen_event:How(value(To, Env), {handler(Old), value(OldArgs, Env)}, {handler(New), {role_of(New), value(Args, Env), Env}}), State}.

response({error, {Reason, Server}}) when is_pid(Server); is_atom(Server) -> {error, {Reason, 'Server'}};
response(Other) -> Other.

settings({ok, Settings}) -> [maps:get(Key, Settings) || Key <- [restart, shutdown, type, significant]];
settings(Other) -> Other.
