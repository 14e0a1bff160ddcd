%% peer_family - the supervisors: `{patient, Starter}` has one child and puts up with its restarts, `crowd` has any number of one kind.
-module(peer_family).
-behaviour(supervisor).
-export([start_link/1, init/1]).

start_link(What) -> supervisor:start_link(?MODULE, What).

init({patient, Starter}) ->
    {ok, {#{strategy => one_for_one, intensity => 1000000, period => 3600},
          [#{id => mortal, start => {peer_mortal, start_link, [Starter]}}]}};
init(crowd) ->
    {ok, {#{strategy => simple_one_for_one},
          [#{id => counter, start => {peer_counter, start_link, []}, restart => temporary}]}}.
