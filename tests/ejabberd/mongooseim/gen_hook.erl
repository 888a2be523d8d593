%%% A stub of how MongooseIM runs hooks: handlers get the accumulator, the
%%% parameters, and the extra map with the host type, and answer {ok, Acc} or
%%% {stop, Acc}. Unlike there, a handler that raises ends the run.
-module(gen_hook).

-export([run/4]).
-export_type([hook_tuple/0]).

-type handler() :: fun((Acc :: term(), map(), map()) -> {ok | stop, term()}).
-type hook_tuple() :: {atom(), binary(), handler(), map(), pos_integer()}.

-spec run([hook_tuple()], atom(), term(), map()) -> term().
run(Hooks, Name, Acc, Params) ->
    run([Hook || {Hooked, _, _, _, _} = Hook <- Hooks, Hooked == Name], Acc, Params).

run([], Acc, _) ->
    Acc;
run([{Name, HostType, Handler, Extra, Priority} | Hooks], Before, Params) when is_integer(Priority), Priority > 0 ->
    case Handler(Before, Params, Extra#{hook_name => Name, hook_tag => HostType, host_type => HostType}) of
        {ok, After} -> run(Hooks, After, Params);
        {stop, After} -> After
    end.
