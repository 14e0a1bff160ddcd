%% oracle_app.erl - applications whose callbacks do what the scenario says: the roles alpha, beta and gamma. What is to be seen they tell to somebody.
-module(oracle_app).
-behaviour(application).
-export([start/2, start_phase/3, prep_stop/1, stop/1, load/1, load_one/1, forget/0]).

%% Its name is the state that the others get.
start(_, Name) ->
    case play(Name, start) of
        {ok, Pid} -> {ok, Pid, Name};
        Other -> Other
    end.

start_phase(Phase, _, Name) -> play(Name, {start_phase, Phase}).
prep_stop(Name) -> play(Name, prep_stop), Name.
stop(Name) -> play(Name, stop).

play(Name, Event) ->
    {application, Clauses} = oracle:look_up(Name),
    oracle:play_unseen(Event, Clauses, self()).

%% None of them runs, or is loaded.
forget() ->
    [begin application:stop(Name), application:unload(Name) end || Name <- [gamma, beta, alpha]].

load(Name) ->
    [load_one(Each) || Each <- [alpha, beta, gamma]],
    Name.

load_one(Name) ->
    application:load({application, Name,
                      [{description, ""}, {vsn, "1"}, {modules, []}, {registered, []}, {applications, [kernel, stdlib | needs(Name)]},
                       {env, env(Name)}, {mod, {?MODULE, Name}}, {start_phases, [{one, Name}, {two, Name}]}]}).

needs(alpha) -> [];
needs(beta) -> [alpha];
needs(gamma) -> [beta].

env(alpha) -> [{port, 5060}];
env(_) -> [].
