%%% Counts who stays connected over the end of a month, without a new login.
%%%
%%% All sessions of this node are looked at once in the first 24 hours of each
%%% month, a part every hour: neither the node nor the store has a busy
%%% midnight. One process for all hosts, so that sessions are listed once for
%%% all of them. No session is ever in its state or its messages, which a crash
%%% would print.
-module(mod_monthly_visitors_sweep).

-behaviour(gen_server).

-export([start_link/0, catch_up/1]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).

-include("logger.hrl").
-include("ejabberd_sm.hrl").

%% Parts of the sessions, and how long each takes its turn, in seconds.
-define(PARTS, 24).
-define(TURN, 3600).

%% How long one waits for other hosts that want to catch up as well, in ms.
-define(GATHERING, 1000).

-record(state, {month = none :: none | calendar:date(),
                done = 0 :: 0..?PARTS, %% parts of this month that are counted
                %% Hosts that were opened, with sessions from before.
                opened = [] :: [binary()],
                %% Who counts, and what is then not to be done any more.
                worker = none :: none | {pid(), {parts, 0..?PARTS} | {hosts, [binary()]}}}).

start_link() ->
    gen_server:start_link({local, ?MODULE}, ?MODULE, [], []).

%% Counts the sessions that a host already has, in the background: they were
%% there before the module was.
-spec catch_up(binary()) -> ok.
catch_up(Host) ->
    gen_server:cast(?MODULE, {catch_up, Host}).

init([]) ->
    %% Whoever is there now is counted by catch_up/1 of their host.
    {Month, _} = turn(),
    tick(),
    {ok, #state{month = Month, done = ?PARTS}}.

handle_call(_, _, State) ->
    {reply, ok, State}.

handle_cast({catch_up, Host}, #state{opened = []} = State) ->
    erlang:send_after(?GATHERING, self(), catch_up),
    {noreply, State#state{opened = [Host]}};
handle_cast({catch_up, Host}, #state{opened = Hosts} = State) ->
    {noreply, State#state{opened = [Host | Hosts]}}.

handle_info(tick, State) ->
    tick(),
    {noreply, next(State)};
handle_info(catch_up, State) ->
    {noreply, next(State)};
handle_info({'DOWN', _, process, Pid, How}, #state{worker = {Pid, Work}} = State) ->
    %% What found the store full is done again.
    Done = case {How, Work} of
               {all, {parts, Due}} -> State#state{done = Due};
               {all, {hosts, Hosts}} -> State#state{opened = State#state.opened -- Hosts};
               {_, _} -> State
           end,
    {noreply, Done#state{worker = none}};
handle_info(_, State) ->
    {noreply, State}.

tick() ->
    erlang:send_after(monthly_visitors_clock:tick(), self(), tick).

%% Starts to count what is due, unless something is being counted.
next(#state{worker = none} = State) ->
    {Month, Due} = turn(),
    Now = case State#state.month of
              Month -> State;
              _ -> State#state{month = Month, done = 0}
          end,
    case Now of
        #state{opened = [_ | _] = Hosts} ->
            work(fun({_, Host}) -> lists:member(Host, Hosts) end, {hosts, Hosts}, Now);
        #state{done = Done} when Due > Done ->
            work(part(Done, Due), {parts, Due}, Now);
        _ ->
            Now
    end;
next(State) ->
    State.

work(IsWanted, Work, State) ->
    {Pid, _} = spawn_monitor(fun() -> exit(count(IsWanted)) end),
    State#state{worker = {Pid, Work}}.

%% All sessions of a user are in the same part.
part(From, To) ->
    fun(User) ->
            Part = erlang:phash2(User, ?PARTS),
            Part >= From andalso Part < To
    end.

%% The month, and how many parts have had their turn.
turn() ->
    {{Year, Month, Day}, Time} =
        calendar:system_time_to_universal_time(monthly_visitors_clock:seconds(), second),
    Since = (Day - 1) * 86400 + calendar:time_to_seconds(Time),
    {{Year, Month, 1}, min(?PARTS, Since div ?TURN)}.

%% Whether all wanted sessions are counted, or some must come again.
count(IsWanted) ->
    try
        lists:foldl(fun(Session, So) -> count(IsWanted, Session, So) end,
                    all, ejabberd_sm:dirty_get_my_sessions_list())
    catch
        %% The reason may contain sessions.
        Class:_:Stack -> failed(Class, Stack), all
    end.

count(IsWanted, #session{usr = USR, us = US, info = Info}, So) ->
    try IsWanted(US) andalso mod_monthly_visitors:record(USR, Info) of
        {error, full} -> again;
        _ -> So
    catch
        Class:_:Stack -> failed(Class, Stack), So
    end.

failed(Class, Stack) ->
    ?ERROR_MSG("Visitors that stayed connected over the month's end were not all counted: ~ts",
               [monthly_visitors_fault:where(Class, Stack)]).
