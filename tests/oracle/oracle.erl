%% oracle.erl - plays the scenarios of tests/oracle/cases on Erlang itself.
%%
%%     erl -noshell -pa DIR -run oracle main -extra [--rounds-divisor N] [--only ID] FILE...
%%
%% What a scenario says is in README.md. Each observation becomes one line on standard output:
%%     case <TAB> title <TAB> round <TAB> process <TAB> step <TAB> what <TAB> answer
%% The same scenarios are played by Engset in player.c; compare.py lays the two side by side.
-module(oracle).
-export([main/0, go_on/2]).

-define(PATIENCE, 30000).   % milliseconds; who waits so long waits in vain
-define(QUIET, 20).         % how long "nothing comes" is
-define(COARSE, 100000).    % what is left of a timer is rounded up to this

main() ->
    logger:set_primary_config(level, none),
    {Divisor, Only, Files} = options(init:get_plain_arguments(), {1, all, []}),
    [play(Scenario, Divisor) || File <- Files, Scenario <- read(File), is_wanted(Scenario, Only)],
    erlang:halt(0).

options(["--rounds-divisor", N | Rest], {_, Only, Files}) -> options(Rest, {list_to_integer(N), Only, Files});
options(["--only", Id | Rest], {Divisor, _, Files}) -> options(Rest, {Divisor, list_to_atom(Id), Files});
options([File | Rest], {Divisor, Only, Files}) -> options(Rest, {Divisor, Only, Files ++ [File]});
options([], Options) -> Options.

read(File) ->
    {ok, [Scenarios]} = file:consult(File),
    Scenarios.

%% One that ends the whole program is played alone, when it is asked for by its name.
is_wanted({_, _, Options, _}, all) -> not lists:member(alone, Options);
is_wanted({Id, _, _, _}, Only) -> Id =:= Only.

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
    Main = spawn_role(main, #{'Main' => none, 'Node' => node()}, [], Roles, self()),
    State = note_spawned(main, Main, true, #{head => Head, main => Main, names => [{group_leader(), leader}],
                                              watched => #{}, ended => [], waiting => [], notes => []}),
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

%% The first process has ended: who is there still lives on, as far as the scenario goes.
finish(#{watched := Watched} = S) ->
    tell(maps:fold(fun(Ref, Pid, Acc) -> note_last(is_process_alive(Pid), Ref, Pid, Acc) end, S, Watched)).

note_last(true, Ref, Pid, S) ->
    exit(Pid, kill),
    receive {'DOWN', Ref, process, _, _} -> note({Pid, 'end', none, lives, {value, true}}, S) end;
note_last(false, Ref, Pid, S) ->
    receive {'DOWN', Ref, process, _, Reason} -> note({Pid, 'end', none, ends, {value, Reason}}, S) end.

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
                 [spawn_monitor, spawn_opt, monitor, alias, make_ref, start_timer, send_after]).

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
text({Reason, [{M, F, _, _} = Top | _]}, Names) when is_atom(M), is_atom(F) -> ["{", text(Reason, Names), ",", place(Top), "}"];
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
    State = #{step => 1, env => Env, roles => Roles, recorder => Recorder},
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

run([], _) -> ok;
run([hibernate | Rest], State) -> erlang:hibernate(?MODULE, go_on, [Rest, State]);
run([{tell, To, Message} | Rest], #{step := Step, env := Env} = State) ->
    value(To, Env) ! value(Message, Env),
    run(Rest, State#{step := Step + 1});
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
        error:Reason -> tell_recorder(Pattern, {'catch', Call}, {error, Reason}, State)
    end;
step(Pattern, Call, State) ->
    {Answer, Later} = call(Call, State),
    Next = tell_recorder(Pattern, Call, {value, Answer}, bind(Pattern, Answer, Later)),
    let_go(call_of(Call), Answer, Next),
    Next.

tell_recorder(Pattern, Call, Answer, #{step := Step, recorder := Recorder} = State) ->
    Recorder ! {oracle_note, self(), Step, Pattern, Call, Answer},
    State#{step := Step + 1}.

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
    Recorder ! {oracle_spawned, self(), Role, pid_of(Answer), not lists:member(unwatched, Options)},
    receive {oracle_noted, Recorder} -> {Answer, State} end.

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
do({halt, Status}) -> erlang:halt(Status).

count({_, List}) -> length(List);
count(Other) -> Other.
