%% peer_counter - the server of server_call, server_cast, server_memory and the families: two words of state.
-module(peer_counter).
-behaviour(gen_server).
-export([start_link/0, init/1, handle_call/3, handle_cast/2]).

start_link() -> gen_server:start_link(?MODULE, [], []).

init([]) -> {ok, {0, 0}}.

handle_call({add, N}, _From, {Total, Limit}) -> {reply, {ok, Total + N}, {Total + N, Limit}};
handle_call(total, _From, {Total, _} = State) -> {reply, Total, State}.

handle_cast({add, N}, {Total, Limit}) -> {noreply, {Total + N, Limit}}.
