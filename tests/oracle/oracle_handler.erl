%% oracle_handler.erl - a gen_event handler whose callbacks do what the scenario says. Its state is the name under which its script is kept.
-module(oracle_handler).
-behaviour(gen_event).
-export([init/1, handle_event/2, handle_call/2, handle_info/2, terminate/2]).

init({Start, OfOld}) when is_tuple(Start) -> begins(Start, fun(Args) -> {Args, OfOld} end);
init(Start) -> begins(Start, fun(Args) -> Args end).

begins({Role, _, _} = Start, Shown) ->
    Name = {?MODULE, make_ref()},
    {Args, _} = oracle:unseen_actor({Name, Start}),
    Content = Shown(Args),
    case oracle:event(Name, on_init, {init, Content}, {Role, Content}) of
        {stop, Reason} -> {error, Reason};
        Answer -> answer(Answer, Name)
    end.

handle_event(Event, Name) -> play(on_event, event, Event, Name).
handle_call(Request, Name) -> play(on_call, call, Request, Name).
handle_info(Message, Name) -> play(on_info, info, Message, Name).
terminate(Why, Name) ->
    #{role := Role} = get(Name),
    case oracle:event(Name, on_terminate, {terminate, Why}, {Role, Why}) of
        noreply -> noreply;
        Answer -> Answer
    end.

play(Word, Kind, Content, Name) ->
    #{role := Role} = get(Name),
    answer(oracle:event(Name, Word, {Kind, Content}, {Role, Content}), Name).

answer(ok, Name) -> {ok, Name};
answer(noreply, Name) -> {ok, Name};
answer({reply, Reply}, Name) -> {ok, Reply, Name};
answer(remove, _) -> remove_handler;
answer({swap, OldArgs, By, Args}, Name) ->
    #{env := Env} = get(Name),
    {swap_handler, OldArgs, Name, {?MODULE, By}, {By, Args, Env}};
answer(Other, _) -> Other.
