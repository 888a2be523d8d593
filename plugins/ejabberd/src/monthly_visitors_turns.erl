%%% Lets the hosts of a node open their stores one after the other, so that they
%%% read a database that they share once, and not a thousand times at the same
%%% moment. Who takes long, perhaps for ever, is not waited for.
-module(monthly_visitors_turns).

-behaviour(gen_server).

-export([start_link/0, wait/0]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).

%% How long a turn may keep the others waiting, in ms.
-define(LONGEST, 5000).

-record(state, {waiting = queue:new() :: queue:queue(gen_server:from()),
                %% Whose turn it is.
                turn = none :: none | {reference(), reference()}}).

start_link() ->
    gen_server:start_link({local, ?MODULE}, ?MODULE, [], []).

%% Returns when it is the turn of the calling process, which ends with it.
-spec wait() -> ok.
wait() ->
    gen_server:call(?MODULE, wait, infinity).

init([]) ->
    {ok, #state{}}.

handle_call(wait, From, #state{waiting = Waiting} = State) ->
    {noreply, next(State#state{waiting = queue:in(From, Waiting)})}.

handle_cast(_, State) ->
    {noreply, State}.

handle_info({'DOWN', Ref, process, _, _}, #state{turn = {Ref, Timer}} = State) ->
    erlang:cancel_timer(Timer),
    {noreply, next(State#state{turn = none})};
handle_info({too_long, Ref}, #state{turn = {Ref, _}} = State) ->
    demonitor(Ref, [flush]),
    {noreply, next(State#state{turn = none})};
handle_info(_, State) ->
    {noreply, State}.

next(#state{turn = none, waiting = Waiting} = State) ->
    case queue:out(Waiting) of
        {empty, _} ->
            State;
        {{value, {Pid, _} = From}, Rest} ->
            Ref = monitor(process, Pid),
            Timer = erlang:send_after(?LONGEST, self(), {too_long, Ref}),
            gen_server:reply(From, ok),
            State#state{turn = {Ref, Timer}, waiting = Rest}
    end;
next(State) ->
    State.
