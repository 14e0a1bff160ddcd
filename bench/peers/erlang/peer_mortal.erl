%% peer_mortal - the child of family_restart500 and family_restart30k: tells that it is up, and ends when it is told to.
-module(peer_mortal).
-behaviour(gen_server).
-export([start_link/1, init/1, handle_call/3, handle_cast/2]).

start_link(Starter) -> gen_server:start_link(?MODULE, Starter, []).

init(Starter) ->
    Starter ! {up, self()},
    {ok, []}.

handle_call(_, _, State) -> {noreply, State}.

handle_cast(crash, _) -> exit(crash).
