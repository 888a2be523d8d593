%%% Counts who stays connected over the end of a month, without a new login.
%%%
%%% All sessions of this node are looked at once in the first 24 hours of each
%%% month, a part every 15 minutes: neither the node nor the store has a busy
%%% midnight. One process for all hosts, so that sessions are listed once for
%%% all of them. No session is ever in its state or its messages, which a crash
%%% would print.
-module(mod_monthly_visitors_sweep).

-behaviour(gen_server).

-export([start/0, stop/0, catch_up/1]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).

-include("ejabberd_sm.hrl").

%% Parts of the sessions, and how long each takes its turn, in seconds.
-define(PARTS, 96).
-define(TURN, 900).

-record(state, {month = none :: none | calendar:date(),
                done = 0 :: 0..?PARTS, %% parts of this month that are counted
                worker = none :: none | pid()}).

-spec start() -> ok.
start() ->
    Spec = #{id => ?MODULE,
             start => {gen_server, start_link, [{local, ?MODULE}, ?MODULE, [], []]},
             restart => temporary},
    _ = supervisor:start_child(ejabberd_gen_mod_sup, Spec),
    ok.

-spec stop() -> ok.
stop() ->
    _ = supervisor:terminate_child(ejabberd_gen_mod_sup, ?MODULE),
    ok.

%% Counts the sessions that a host already has, in the background: they were
%% there before the module was.
-spec catch_up(binary()) -> ok.
catch_up(Host) ->
    _ = spawn(fun() ->
                      count(fun({_, Server}) -> Server == Host end)
              end),
    ok.

init([]) ->
    %% Whoever is there now is counted by catch_up/1 of their host.
    {Month, _} = turn(),
    {ok, tick(#state{month = Month, done = ?PARTS})}.

handle_call(_, _, State) ->
    {reply, ok, State}.

handle_cast(_, State) ->
    {noreply, State}.

handle_info(tick, State) ->
    {noreply, tick(sweep(State))};
handle_info({'DOWN', _, process, Worker, _}, #state{worker = Worker} = State) ->
    {noreply, State#state{worker = none}};
handle_info(_, State) ->
    {noreply, State}.

tick(State) ->
    %% A clock for tests runs faster.
    Pause = case mod_monthly_visitors:clock() of
                now -> timer:minutes(1);
                _ -> 50
            end,
    erlang:send_after(Pause, self(), tick),
    State.

%% Starts to count the parts whose turn has come, unless the parts before are
%% still being counted.
sweep(#state{worker = none} = State) ->
    {Month, Due} = turn(),
    Done = case State#state.month of
               Month -> State#state.done;
               _ -> 0
           end,
    Worker = if
                 Due > Done ->
                     {Pid, _} = spawn_monitor(fun() -> count(part(Done, Due)) end),
                     Pid;
                 true ->
                     none
             end,
    State#state{month = Month, done = max(Done, Due), worker = Worker};
sweep(State) ->
    State.

%% All sessions of a user are in the same part.
part(From, To) ->
    fun(User) ->
            Part = erlang:phash2(User, ?PARTS),
            Part >= From andalso Part < To
    end.

%% The month, and how many parts have had their turn.
turn() ->
    Now = case mod_monthly_visitors:clock() of
              now -> erlang:system_time(second);
              Seconds -> Seconds
          end,
    {{Year, Month, Day}, Time} = calendar:system_time_to_universal_time(Now, second),
    Since = (Day - 1) * 86400 + calendar:time_to_seconds(Time),
    {{Year, Month, 1}, min(?PARTS, Since div ?TURN)}.

count(IsWanted) ->
    try
        lists:foreach(
          fun(#session{usr = USR, us = US, info = Info}) ->
                  case IsWanted(US) of
                      true -> mod_monthly_visitors:record(USR, Info);
                      false -> ok
                  end
          end,
          ejabberd_sm:dirty_get_my_sessions_list())
    catch
        %% The error may contain sessions.
        _:_ -> mod_monthly_visitors:sweep_failed()
    end.
