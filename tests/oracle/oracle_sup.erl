%% oracle_sup.erl - a supervisor whose flags and children the scenario says.
-module(oracle_sup).
-behaviour(supervisor).
-export([init/1, child/1, start_child/1]).

init(Start) ->
    #{role := Role} = script(get(?MODULE), Start),
    case oracle:look_up(Role) of
        {supervisor, Flags, Children} ->
            Simple = lists:member({strategy, simple_one_for_one}, Flags),
            {ok, {maps:from_list(Flags), [child(Child, Simple) || Child <- Children]}};
        {supervisor, Answer} -> Answer
    end.

%% Its script begins once: for another version init is called again.
script(undefined, Start) ->
    {_, State} = oracle:actor(?MODULE, Start),
    State;
script(State, _) -> State.

%% A child's settings as a list of {Key, Value}, where `start` is a role; of simple_one_for_one the role comes with the arguments.
child(Settings) -> child(Settings, false).

child(Settings, Simple) ->
    case maps:from_list(Settings) of
        #{start := Role} = Map -> Map#{start := {?MODULE, start_child, [Role || not Simple]}, modules => [module(Role)]};
        Map -> Map
    end.

start_child(Start) ->
    Role = case Start of {R, _} -> R; R -> R end,
    oracle:start(Role, case Start of {_, _} -> Start; _ -> {Role, [], #{}} end, [link]).

module(Role) ->
    case oracle:look_up(Role) of
        {server, _} -> oracle_server;
        {bare, _} -> oracle_bare;
        {statem, _} -> oracle_statem;
        {statem, _, _} -> oracle_statem_enter;
        {supervisor, _, _} -> oracle_sup;
        _ -> undefined
    end.
