%% peer_lamp_handler - the machine of statem_handler: one function for all states.
-module(peer_lamp_handler).
-behaviour(gen_statem).
-export([callback_mode/0, init/1, handle_event/4]).

callback_mode() -> handle_event_function.

init([]) -> {ok, off, 0}.

handle_event(cast, flip, off, Changes) -> {next_state, on, Changes + 1};
handle_event(cast, flip, on, Changes) -> {next_state, off, Changes + 1};
handle_event({call, From}, count, _, Changes) -> {keep_state_and_data, {reply, From, Changes}}.
