%% oracle_bare.erl - a gen_server that has as few callbacks as can be.
-module(oracle_bare).
-behaviour(gen_server).
-export([init/1, handle_call/3, handle_cast/2]).

init(Start) ->
    {Args, _} = oracle:actor(oracle_server, Start),
    oracle:event(oracle_server, on_init, {init, Args}, Args),
    {ok, none}.

handle_call(Request, _, State) ->
    {reply, Reply} = oracle:event(oracle_server, on_call, {call, Request}, Request),
    {reply, Reply, State}.

handle_cast(_, State) -> {noreply, State}.
