%%% Keeps the counter of a host: opens it, tries again when that fails, changes
%%% its settings, forgets users, and writes its log lines. The same for every
%%% server; what is a server's own is in the module that uses this.
%%%
%%% The process never waits for a disk or a network: other processes do, which
%%% may hang while this one answers. It is not needed for counting. When it
%%% crashes, logins are counted as before, and the one that the supervisor
%%% starts instead takes the counter over.
%%%
%%% A crash prints the state and the messages of a process. Users and settings,
%%% which may have the password of a store, are therefore only there inside of
%%% functions.
-module(monthly_visitors_host).

-behaviour(gen_server).

-export([start_link/3, counter/1, status/1, record/4, forget/2, reload/1, close/2]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).

-include_lib("kernel/include/logger.hrl").

%% After how long one says that a store does not answer. In ms, like all times
%% here.
-define(LONG, 10000).
-define(RETRY, 60000).
%% How many users are remembered who are to be forgotten.
-define(MOST_FORGOTTEN, 100000).

-define(COUNTER(Host), {?MODULE, Host}).

-type settings() :: fun((Host :: binary()) -> {ok, [monthly_visitors_nif:setting()]} | monthly_visitors_nif:failure()).

-record(state, {host :: binary(),
                settings :: settings(),
                opened :: fun((Host :: binary()) -> any()),
                counter = none :: none | monthly_visitors_nif:counter(),
                %% Why it is not open, as it was logged.
                problem = none :: none | binary(),
                %% Who opens it or changes its settings, whether that takes long,
                %% and whether to do it again.
                opening = none :: none | {pid(), reference()},
                slow = false :: boolean(),
                again = false :: boolean(),
                retry = none :: none | reference(),
                %% Users who are to be forgotten when the counter is open.
                forgotten = [] :: [fun(() -> binary())],
                %% Logins that were not counted since `quiet` was set.
                lost = #{} :: #{atom() => pos_integer()},
                quiet = false :: boolean()}).

%% `settings` is asked at each opening, `opened` is told when the host counts.
-spec start_link(binary(), settings(), fun((binary()) -> any())) -> {ok, pid()} | {error, term()}.
start_link(Host, Settings, Opened) ->
    gen_server:start_link({local, name(Host)}, ?MODULE, [Host, Settings, Opened], []).

name(Host) ->
    binary_to_atom(<<"monthly_visitors_", Host/binary>>, utf8).

%% The counter of a host, if it is open.
-spec counter(binary()) -> monthly_visitors_nif:counter() | none.
counter(Host) ->
    persistent_term:get(?COUNTER(Host), none).

%% Why a host does not count, in words.
-spec status(binary()) -> binary().
status(Host) ->
    try gen_server:call(name(Host), status)
    catch
        exit:_ -> <<"nothing counts here">>
    end.

%% Counts a login, if the counter is open. Touches memory only.
-spec record(binary(), User :: binary(), Resource :: binary(), Info :: list() | map()) ->
          ok | ignored | {error, atom()}.
record(Host, User, Resource, Info) ->
    case counter(Host) of
        none ->
            ignored;
        Counter ->
            Time = monthly_visitors_clock:login(),
            case monthly_visitors_login:record(Counter, User, Resource, Info, Time) of
                {error, Reason} = Failure ->
                    gen_server:cast(name(Host), {lost, Reason}),
                    Failure;
                Answer ->
                    Answer
            end
    end.

%% Deletes what is kept of a user; `later`, if it will be when the store is open.
%% Touches memory only: the store hears of it with the next visits.
-spec forget(binary(), binary()) -> ok | later | {error, binary()}.
forget(Host, User) ->
    case counter(Host) of
        none ->
            try gen_server:call(name(Host), {forget, fun() -> User end})
            catch
                exit:_ -> {error, <<"nothing counts here">>}
            end;
        Counter ->
            forget_now(Counter, User)
    end.

forget_now(Counter, User) ->
    try monthly_visitors_nif:forget(Counter, User) of
        ok -> ok;
        {error, {_, Text}} -> {error, Text}
    catch
        Class:_:Stack -> {error, monthly_visitors_fault:where(Class, Stack)}
    end.

%% The settings have changed.
-spec reload(binary()) -> ok.
reload(Host) ->
    gen_server:cast(name(Host), reload).

%% Closes the counters of hosts whose processes have ended, all at once, and
%% waits no longer than `Ms` for all of them.
-spec close([binary()], timeout()) -> ok.
close(Hosts, Ms) ->
    Pids = [spawn_monitor(fun() -> close_one(Host, Ms) end) || Host <- Hosts],
    lists:foreach(fun({Pid, Ref}) -> receive {'DOWN', Ref, process, Pid, _} -> ok end end, Pids).

close_one(Host, Ms) ->
    case counter(Host) of
        none ->
            ok;
        Counter ->
            persistent_term:erase(?COUNTER(Host)),
            %% What changes the settings of a counter, and hangs, also keeps it
            %% from closing, but not from being written.
            case monthly_visitors_fault:within(Ms, fun() -> monthly_visitors_nif:flush(Counter, Ms) end) of
                ok -> ok;
                {error, {_, Text}} -> ?LOG_ERROR("The last visitors of ~ts are lost: ~ts", [Host, Text])
            end,
            _ = monthly_visitors_fault:within(min(Ms, 5000), fun() -> monthly_visitors_nif:close(Counter) end)
    end.

%%%===================================================================
%%% The process
%%%===================================================================

init([Host, Settings, Opened]) ->
    State = #state{host = Host, settings = Settings, opened = Opened, counter = counter(Host)},
    State#state.counter == none orelse
        ?LOG_WARNING("Counting visitors of ~ts went on while its process crashed and came back", [Host]),
    {ok, open(State)}.

handle_call(status, _From, State) ->
    {reply, status_text(State), State};
handle_call({forget, Name}, _From, #state{counter = none, forgotten = Forgotten} = State) ->
    case length(Forgotten) < ?MOST_FORGOTTEN of
        true -> {reply, later, State#state{forgotten = [Name | Forgotten]}};
        false -> {reply, {error, <<"too many wait for the store">>}, State}
    end;
handle_call({forget, Name}, _From, #state{counter = Counter} = State) ->
    {reply, forget_now(Counter, Name()), State}.

handle_cast({lost, Reason}, State) ->
    {noreply, lost(Reason, State)};
handle_cast(reload, #state{opening = none} = State) ->
    {noreply, open(State#state{problem = none})};
handle_cast(reload, #state{counter = none, slow = true} = State) ->
    {noreply, open(State)};
handle_cast(reload, State) ->
    {noreply, State#state{again = true}}.

handle_info({monthly_visitors, Level, Line}, #state{host = Host} = State) ->
    ?LOG(Level, "Visitors of ~ts: ~ts", [Host, Line]),
    {noreply, State};
handle_info({'DOWN', Ref, process, Pid, How}, #state{opening = {Pid, Ref}} = State) ->
    Result = case How of
                 {done, Done} -> Done;
                 _ -> {error, {internal, <<"the process that opens the store ended">>}}
             end,
    {noreply, opened(Result, State#state{opening = none})};
handle_info({takes_long, Pid}, #state{host = Host, opening = {Pid, _}} = State) ->
    ?LOG_ERROR("Visitors of ~ts: a disk or network does not answer while ~ts",
               [Host, case State#state.counter of
                          none -> "the store or a database is opened; nobody is counted meanwhile";
                          _ -> "options change; counting goes on with the old ones"
                      end]),
    case State of
        #state{counter = none, again = true} -> {noreply, open(State)};
        _ -> {noreply, State#state{slow = true}}
    end;
handle_info(retry, #state{counter = none, opening = none} = State) ->
    {noreply, open(State)};
handle_info(quiet_is_over, #state{lost = Lost} = State) when map_size(Lost) == 0 ->
    {noreply, State#state{quiet = false}};
handle_info(quiet_is_over, #state{host = Host, lost = Lost} = State) ->
    maps:foreach(fun(Reason, Number) ->
                         ?LOG_WARNING("~B more logins of ~ts were not counted: ~ts",
                                      [Number, Host, reason(Reason)])
                 end, Lost),
    {noreply, be_quiet(State#state{lost = #{}})};
handle_info(_, State) ->
    {noreply, State}.

status_text(#state{problem = Problem}) when Problem /= none -> Problem;
status_text(_) -> <<"the store is still being opened; try again">>.

%%% Opening

%% Opens the counter, or gives an open one the settings of now. An opening that
%% hangs is left alone: the new one may have better settings.
open(#state{host = Host, settings = Settings, counter = Old} = State) ->
    leave(State#state.opening),
    State#state.retry == none orelse erlang:cancel_timer(State#state.retry),
    Process = self(),
    Work = fun() ->
                   ok = monthly_visitors_turns:wait(),
                   erlang:send_after(?LONG, Process, {takes_long, self()}),
                   case Settings(Host) of
                       {ok, List} ->
                           Counter = if Old == none -> monthly_visitors_nif:new(); true -> Old end,
                           case monthly_visitors_nif:open(Counter, List, Process) of
                               ok -> {ok, Counter};
                               Failure -> Failure
                           end;
                       Failure ->
                           Failure
                   end
           end,
    State#state{opening = work(Work), slow = false, again = false, retry = none}.

leave(none) ->
    ok;
leave({Pid, Ref}) ->
    demonitor(Ref, [flush]),
    exit(Pid, kill).

opened({ok, Counter}, #state{host = Host, counter = none} = State) ->
    persistent_term:put(?COUNTER(Host), Counter),
    ?LOG_INFO("Counting visitors of ~ts", [Host]),
    (State#state.opened)(Host),
    forget_all(Counter, State),
    maybe_again(State#state{counter = Counter, problem = none, forgotten = []});
opened({ok, _}, #state{host = Host} = State) ->
    ?LOG_INFO("Counting visitors of ~ts with the options of now", [Host]),
    maybe_again(State);
opened({error, _}, #state{counter = none, again = true} = State) ->
    open(State);
opened({error, {_, Text}}, #state{host = Host, counter = none} = State) ->
    Text == State#state.problem orelse
        ?LOG_ERROR("Not counting visitors of ~ts, trying again every minute: ~ts", [Host, Text]),
    State#state{problem = Text, retry = erlang:send_after(?RETRY, self(), retry)};
opened({error, {_, Text}}, #state{host = Host} = State) ->
    ?LOG_ERROR("Counting visitors of ~ts goes on with the old options, until the next start only: ~ts", [Host, Text]),
    maybe_again(State).

maybe_again(#state{again = true} = State) -> open(State);
maybe_again(State) -> State.

%% Runs in a process of its own, which says by its end what came of it.
work(Do) ->
    spawn_monitor(fun() ->
                          exit({done, try Do()
                                      catch
                                          Class:_:Stack ->
                                              {error, {internal, monthly_visitors_fault:where(Class, Stack)}}
                                      end})
                  end).

%%% Forgetting

%% Those whose accounts were deleted while the counter was not open.
forget_all(Counter, #state{host = Host, forgotten = Forgotten}) ->
    Answers = [forget_now(Counter, Name()) || Name <- Forgotten],
    case [Text || {error, Text} <- Answers] of
        [] ->
            ok;
        [Text | _] = Failed ->
            ?LOG_WARNING("The marks of ~B deleted accounts of ~ts stay until the month is over: ~ts",
                         [length(Failed), Host, Text])
    end.

%%% Lost logins

%% A login was not counted. The first is logged at once; the others of the same
%% minute together, as there may be thousands.
lost(Reason, #state{host = Host, quiet = false} = State) ->
    ?LOG_WARNING("A login of ~ts was not counted: ~ts", [Host, reason(Reason)]),
    be_quiet(State);
lost(Reason, #state{lost = Lost} = State) ->
    State#state{lost = maps:update_with(Reason, fun(N) -> N + 1 end, 1, Lost)}.

be_quiet(State) ->
    erlang:send_after(timer:minutes(1), self(), quiet_is_over),
    State#state{quiet = true}.

reason(full) -> "too many visits wait for the store";
reason(month) -> "its month is closed; the clock may have been wrong";
reason(closed) -> "the store is being changed";
reason(argument) -> "its name or resource is too long";
reason(_) -> "internal error".
