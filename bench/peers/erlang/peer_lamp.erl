%% peer_lamp - the machine of statem_functions: a function a state.
-module(peer_lamp).
-behaviour(gen_statem).
-export([callback_mode/0, init/1, off/3, on/3]).

callback_mode() -> state_functions.

init([]) -> {ok, off, 0}.

off(cast, flip, Changes) -> {next_state, on, Changes + 1};
off({call, From}, count, Changes) -> {keep_state_and_data, {reply, From, Changes}}.

on(cast, flip, Changes) -> {next_state, off, Changes + 1};
on({call, From}, count, Changes) -> {keep_state_and_data, {reply, From, Changes}}.
