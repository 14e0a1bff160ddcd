%% oracle_statem.erl - a gen_statem whose callbacks do what the scenario says. Its data are {tally, Count}.
-module(oracle_statem).
-behaviour(gen_statem).
-export([init/1, callback_mode/0, handle_event/4, terminate/3]).

init(Start) ->
    {Args, #{role := Role}} = oracle:actor(?MODULE, Start),
    put(oracle_count, 0),
    put(oracle_enter, tuple_size(oracle:look_up(Role)) =:= 3),
    case oracle:event(?MODULE, on_init, {init, Args}, Args) of
        {next, State} -> {ok, State, data()};
        {next, State, Actions} -> {ok, State, data(), actions(Actions)};
        Other -> Other
    end.

callback_mode() ->
    case get(oracle_enter) of
        true -> [handle_event_function, state_enter];
        _ -> handle_event_function
    end.

handle_event({call, From}, Content, State, Data) ->
    oracle:set_variable(?MODULE, 'From', From),
    play(call, Content, State, Data);
handle_event(Type, Content, State, Data) -> play(Type, Content, State, Data).

play(Type, Content, State, {tally, Count}) ->
    put(oracle_count, Count),
    Event = {State, Type, Content},
    step(oracle:event(?MODULE, on_event, Event, Event)).

terminate(Reason, State, _) ->
    oracle:event(?MODULE, on_terminate, {terminate, {Reason, State}}, {Reason, State}).

step({stop, Reason}) -> {stop, Reason, data()};
step({stop_and_reply, Reason, Reply}) -> {stop_and_reply, Reason, actions([{reply, Reply}]), data()};
step({next, State}) -> {next_state, State, data()};
step({next, State, Actions}) -> {next_state, State, data(), actions(Actions)};
step(keep) -> {keep_state, data()};
step(noreply) -> {keep_state, data()};
step({keep, Actions}) -> {keep_state, data(), actions(Actions)};
step(repeat) -> {repeat_state, data()};
step({repeat, Actions}) -> {repeat_state, data(), actions(Actions)};
step(Other) -> Other.

actions(Actions) -> [action(Action) || Action <- Actions].

action({reply, Reply}) ->
    #{env := #{'From' := From}} = get(?MODULE),
    {reply, From, Reply};
action(Other) -> Other.

data() -> {tally, get(oracle_count)}.
