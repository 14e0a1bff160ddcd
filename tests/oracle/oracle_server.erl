%% oracle_server.erl - a gen_server whose callbacks do what the scenario says. Its state is {tally, Count}; the script is in the process dictionary.
-module(oracle_server).
-behaviour(gen_server).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, handle_continue/2, terminate/2, code_change/3]).

init(Start) ->
    {Args, _} = oracle:actor(?MODULE, Start),
    put(oracle_count, 0),
    case oracle:event(?MODULE, on_init, {init, Args}, Args) of
        noreply -> {ok, tally()};
        Answer -> state(Answer)
    end.

handle_call(Request, From, State) ->
    oracle:set_variable(?MODULE, 'From', From),
    play(on_call, call, Request, State).

handle_cast(Message, State) -> play(on_cast, cast, Message, State).
handle_info(Message, State) -> play(on_info, info, Message, State).
handle_continue(What, State) -> play(on_continue, continue, What, State).

terminate(Reason, State) ->
    play(on_terminate, terminate, Reason, State).

code_change(_, State, Extra) ->
    play(on_code_change, code_change, Extra, State),
    {ok, State}.

play(Word, Kind, Content, {tally, Count}) ->
    put(oracle_count, Count),
    state(oracle:event(?MODULE, Word, {Kind, Content}, Content)).

%% The script's answer as gen_server wants it.
state(ok) -> {ok, tally()};
state(noreply) -> {noreply, tally()};
state({ok, Then}) -> {ok, tally(), Then};
state({noreply, Then}) -> {noreply, tally(), Then};
state({reply, Reply}) -> {reply, Reply, tally()};
state({reply, Reply, Then}) -> {reply, Reply, tally(), Then};
state({stop, Reason}) -> case get(oracle_up) of true -> {stop, Reason, tally()}; _ -> {stop, Reason} end; % from init without a state
state({stop, Reason, Reply}) -> {stop, Reason, Reply, tally()};
state({throw, Answer}) -> throw(state(Answer));
state(Other) -> Other.

tally() ->
    put(oracle_up, true),
    {tally, get(oracle_count)}.
