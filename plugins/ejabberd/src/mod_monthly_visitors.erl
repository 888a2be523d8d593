%%% Counts how many people use each host, month by month, from which places and
%%% with which clients. Policy only: the counting is in the library, which
%%% monthly_visitors_nif calls.
%%%
%%% Two rules are behind much of what looks careful here. Nothing may break or
%%% delay a login or stop the node: ejabberd halts when start/2 raises, so
%%% start/2 logs and returns ok. And no user, JID or address may reach a log:
%%% ejabberd logs the arguments of a hook that raises, and Erlang the state and
%%% last message of a process that crashes.
-module(mod_monthly_visitors).

-behaviour(gen_mod).
-behaviour(gen_server).

%% gen_mod
-export([start/2, stop/1, reload/3, depends/2, mod_opt_type/1, mod_options/1,
         mod_doc/0]).
%% Hooks
-export([sm_register_connection/3, remove_user/2]).
%% For mod_monthly_visitors_sweep and mod_monthly_visitors_commands
-export([counter/1, record/2, forget_user/2, clock/0, sweep_failed/0]).
%% For ejabberdctl module_uninstall
-export([pre_uninstall/0]).
%% gen_server
-export([init/1, handle_continue/2, handle_call/3, handle_cast/2,
         handle_info/2, terminate/2]).

-include("logger.hrl").

%% How long the store of a host may take to close or to forget, in ms: a bit
%% more than the library waits for it.
-define(PATIENCE, 70000).

%% Where the hooks find the counter of a host, and tests their clock. What is
%% read from there is no copy, and is only given to functions that run on normal
%% schedulers: a term that is erased must not be in the hands of a dirty one.
-define(COUNTER(Host), {?MODULE, counter, Host}).
-define(CLOCK, {?MODULE, clock}).

-record(state, {host :: binary(),
                %% In a function, as are those of messages: the store may have a
                %% password, and a crash prints what is not in a function.
                opts :: fun(() -> gen_mod:opts()),
                counter = none :: none | monthly_visitors_nif:counter(),
                %% Why it is not open, as it was logged, and when it is tried again.
                problem = none :: none | binary(),
                retry = none :: none | reference(),
                %% Logins that were not counted, since `quiet` was set.
                lost = #{} :: #{atom() => pos_integer()},
                quiet = false :: boolean()}).

%%%===================================================================
%%% gen_mod
%%%===================================================================

start(Host, Opts) ->
    try
        case monthly_visitors_nif:load_error() of
            none -> start_host(Host, fun() -> Opts end);
            Why -> ?ERROR_MSG("Not counting visitors of ~ts: ~ts", [Host, Why])
        end
    catch
        Class:_ ->
            ?ERROR_MSG("Not counting visitors of ~ts: ~ts in the start of the module",
                       [Host, Class])
    end,
    ok.

start_host(Host, Opts) ->
    set_clock(),
    case gen_mod:is_loaded_elsewhere(Host, ?MODULE) of
        false -> mod_monthly_visitors_commands:register();
        true -> ok
    end,
    mod_monthly_visitors_sweep:start(),
    Proc = proc(Host),
    %% Temporary: a process that cannot live must not take its supervisor, and
    %% so the node, along. Hooks and counter work without it.
    Spec = #{id => Proc,
             start => {gen_server, start_link, [{local, Proc}, ?MODULE, [Host, Opts], []]},
             restart => temporary,
             shutdown => ?PATIENCE},
    case supervisor:start_child(ejabberd_gen_mod_sup, Spec) of
        {ok, _} ->
            ok;
        {error, _} ->
            ?ERROR_MSG("Not counting visitors of ~ts: its process did not start", [Host])
    end.

%% ejabberd stops a module that is uninstalled once more after pre_uninstall/0,
%% which would load the code again that is gone.
stop(Host) ->
    case gen_mod:is_loaded(Host, ?MODULE) of
        true -> stop_host(Host);
        false -> ok
    end.

stop_host(Host) ->
    case persistent_term:get(?COUNTER(Host), none) of
        none -> end_process(proc(Host));
        _ -> supervisor:terminate_child(ejabberd_gen_mod_sup, proc(Host))
    end,
    %% If the process did not end as it should.
    detach(Host),
    case gen_mod:is_loaded_elsewhere(Host, ?MODULE) of
        false ->
            mod_monthly_visitors_commands:unregister(),
            mod_monthly_visitors_sweep:stop();
        true ->
            ok
    end.

%% A process that does not count has nothing to save. It may be waiting for a
%% store that does not answer.
end_process(Proc) ->
    try gen_server:stop(Proc, normal, 1000)
    catch
        exit:timeout -> kill(whereis(Proc));
        exit:_ -> ok
    end.

kill(undefined) -> true;
kill(Pid) -> exit(Pid, kill).

reload(Host, NewOpts, _OldOpts) ->
    gen_server:cast(proc(Host), {reload, fun() -> NewOpts end}).

depends(_Host, _Opts) ->
    [].

%% The shape only: what a value must be is known to the library, whose answer
%% is one line in the log, while ejabberd does not start with a value that is
%% refused here.
mod_opt_type(clients) ->
    econf:list(econf:map(text(), text()));
mod_opt_type(record_countries) ->
    econf:and_then(econf:list_or_single(text()),
                   fun(Countries) -> iolist_to_binary(lists:join($,, Countries)) end);
mod_opt_type(_) ->
    text().

text() ->
    econf:either(econf:and_then(econf:int(), fun integer_to_binary/1),
                 econf:binary()).

mod_options(Host) ->
    [{store, default_store(Host)},
     {geoip, undefined},
     {asn, undefined},
     {clients, []},
     {pattern_syntax, undefined},
     {record_countries, undefined},
     {retention_months, undefined},
     {flush_interval, undefined},
     {pending_limit, undefined},
     {secret_file, undefined},
     {key_dir, undefined}].

default_store(Host) ->
    iolist_to_binary(["sealed:", filename:join(spool(), Host)]).

spool() ->
    filename:join(mnesia:system_info(directory), "monthly_visitors").

mod_doc() ->
    #{desc =>
          [<<"Counts how many people use each host, month by month, from which "
             "places and with which clients. A user counts once a month; what "
             "leads to the user is destroyed when the month is over. The "
             "options that are not given have the library's defaults. Where "
             "several hosts are served, '@HOST@' in 'store' and 'key_dir' "
             "stands for the name of the host.">>],
      opts =>
          [{store,
            #{value => <<"URL">>,
              desc => <<"Where counts are kept. The default is a sealed store "
                        "for each host in ejabberd's spool: "
                        "'sealed:SPOOL/monthly_visitors/HOST'.">>}},
           {geoip,
            #{value => <<"PATH">>,
              desc => <<"A database of places, such as GeoLite2-City.mmdb. "
                        "Without one every place is unknown.">>}},
           {asn,
            #{value => <<"PATH">>,
              desc => <<"A database of networks, such as GeoLite2-ASN.mmdb.">>}},
           {clients,
            #{value => <<"[{pattern: PATTERN, category: CATEGORY}, ...]">>,
              desc => <<"The first pattern that matches the resource tells the "
                        "client. The default is an empty list.">>}},
           {pattern_syntax,
            #{value => <<"lua | regex">>,
              desc => <<"How the patterns are written. The default is 'lua'.">>}},
           {record_countries,
            #{value => <<"[COUNTRY, ...]">>,
              desc => <<"ISO codes of the countries whose users are counted. "
                        "The default is everybody.">>}},
           {retention_months,
            #{value => <<"NUMBER">>,
              desc => <<"How many months of counts are kept; 0, the default, "
                        "keeps all.">>}},
           {flush_interval,
            #{value => <<"TIME">>,
              desc => <<"The longest time that a visit stays in memory only, "
                        "such as '20ms' or '10s'. The default is '1s'.">>}},
           {pending_limit,
            #{value => <<"NUMBER">>,
              desc => <<"How many visits may wait for the store. The default "
                        "is 1000000.">>}},
           {secret_file,
            #{value => <<"PATH">>,
              desc => <<"A file with a secret that the marks of users need as "
                        "well, kept off the data disk.">>}},
           {key_dir,
            #{value => <<"PATH">>,
              desc => <<"A folder for the keys of the sealed store, one for "
                        "each host.">>}}],
      example =>
          ["modules:",
           "  mod_monthly_visitors:",
           "    geoip: /var/lib/GeoIP/GeoLite2-City.mmdb",
           "    retention_months: 25",
           "    clients:",
           "      - pattern: '^Conversations%.'",
           "        category: ANDROID",
           "      - pattern: '^[Gg]ajim'",
           "        category: DESKTOP"]}.

%%%===================================================================
%%% Hooks
%%%===================================================================

%% The counter of a host, if it counts. A copy, for all functions.
-spec counter(binary()) -> monthly_visitors_nif:counter() | none.
counter(Host) ->
    try gen_server:call(proc(Host), counter)
    catch
        exit:_ -> none
    end.

%% Runs in the client's process, at login and when a stream is resumed.
sm_register_connection(_SID, JID, Info) ->
    try
        record(jid:tolower(JID), Info)
    catch
        _:_ -> ok
    end.

%% Counts a session, if its host has the module. Touches memory only.
-spec record({binary(), binary(), binary()}, list()) -> ok.
record({User, Host, Resource}, Info) when User /= <<>> ->
    case persistent_term:get(?COUNTER(Host), none) of
        none ->
            ok;
        Counter ->
            case monthly_visitors_login:record(Counter, User, Resource, Info, clock()) of
                {error, Reason} -> gen_server:cast(proc(Host), {lost, Reason});
                _ -> ok
            end
    end;
record(_, _) ->
    ok.

%% An account is deleted. Waits, so that the mark is gone when the account is;
%% only whoever deletes it waits as well.
remove_user(User, Server) ->
    try
        {LUser, Host} = {jid:nodeprep(User), jid:nameprep(Server)},
        case forget_user(Host, LUser) of
            ok -> ok;
            {error, Text} ->
                ?WARNING_MSG("The mark of a deleted account of ~ts stays until "
                             "the month is over: ~ts", [Host, Text])
        end
    catch
        _:_ -> ?WARNING_MSG("The mark of a deleted account was not deleted", [])
    end,
    ok.

%% The host's process asks the store, one user after the other: if many
%% processes did, a slow store would hold all dirty schedulers, and with them
%% the files of the whole node. The name is in a function because a crash
%% prints messages, but not what functions know.
-spec forget_user(binary(), binary()) -> ok | {error, binary()}.
forget_user(Host, LUser) ->
    try gen_server:call(proc(Host), {forget, fun() -> LUser end}, ?PATIENCE)
    catch
        exit:{timeout, _} -> {error, <<"the store takes too long">>};
        exit:_ -> {error, <<"visitors of this host are not counted">>}
    end.

%%%===================================================================
%%% The process of a host: opens and closes its counter, writes the log
%%%===================================================================

proc(Host) ->
    gen_mod:get_module_proc(Host, ?MODULE).

init([Host, Opts]) ->
    process_flag(trap_exit, true),
    %% Opening may wait for a disk or a network; ejabberd need not.
    {ok, #state{host = Host, opts = Opts}, {continue, open}}.

handle_continue(open, State) ->
    {noreply, guarded(fun open/1, State)}.

handle_call(counter, _From, #state{counter = Counter} = State) ->
    {reply, Counter, State};
handle_call({forget, _}, _From, #state{counter = none} = State) ->
    {reply, {error, <<"visitors of this host are not counted">>}, State};
handle_call({forget, Name}, _From, #state{counter = Counter} = State) ->
    Answer = try monthly_visitors_nif:forget(Counter, Name()) of
                 {error, {_, Text}} -> {error, Text};
                 ok -> ok
             catch
                 _:_ -> {error, <<"internal error">>}
             end,
    {reply, Answer, State};
handle_call(_, _, State) ->
    {reply, ok, State}.

handle_cast({lost, Reason}, State) ->
    {noreply, lost(Reason, State)};
handle_cast({reload, Opts}, State) ->
    {noreply, guarded(fun(_) -> reload_opts(Opts, State) end, State)};
handle_cast(_, State) ->
    {noreply, State}.

handle_info({monthly_visitors, Level, Line}, #state{host = Host} = State) ->
    log(Level, "Visitors of ~ts: ~ts", [Host, Line]),
    {noreply, State};
handle_info(open, State) ->
    {noreply, guarded(fun open/1, State)};
handle_info(quiet_is_over, #state{lost = Lost} = State) when map_size(Lost) == 0 ->
    {noreply, State#state{quiet = false}};
handle_info(quiet_is_over, #state{host = Host, lost = Lost} = State) ->
    maps:foreach(fun(Reason, Number) ->
                         ?WARNING_MSG("~B more logins of ~ts were not counted: ~ts",
                                      [Number, Host, reason(Reason)])
                 end, Lost),
    {noreply, be_quiet(State#state{lost = #{}})};
handle_info(_, State) ->
    {noreply, State}.

terminate(_, #state{counter = none}) ->
    ok;
terminate(_, #state{host = Host, counter = Counter}) ->
    detach(Host),
    try monthly_visitors_nif:close(Counter) of
        ok -> ok;
        {error, {_, Text}} -> ?ERROR_MSG("The last visitors of ~ts are lost: ~ts", [Host, Text])
    catch
        Class:_ -> ?ERROR_MSG("The last visitors of ~ts are lost: ~ts", [Host, Class])
    end.

guarded(Do, #state{host = Host} = State) ->
    try Do(State)
    catch
        Class:_ ->
            ?ERROR_MSG("Counting visitors of ~ts: ~ts in the module", [Host, Class]),
            State
    end.

open(#state{counter = Counter} = State) when Counter /= none ->
    State;
open(#state{host = Host, opts = Opts, problem = Problem} = State) ->
    State#state.retry == none orelse erlang:cancel_timer(State#state.retry),
    case open_counter(Host, Opts()) of
        {ok, Counter} ->
            ?INFO_MSG("Counting visitors of ~ts", [Host]),
            State#state{counter = Counter, problem = none, retry = none};
        {error, {_, Text}} ->
            Text == Problem orelse
                ?ERROR_MSG("Not counting visitors of ~ts, trying again every minute: ~ts",
                           [Host, Text]),
            Retry = erlang:send_after(timer:minutes(1), self(), open),
            State#state{problem = Text, retry = Retry}
    end.

open_counter(Host, Opts) ->
    case settings(Host, Opts) of
        {ok, Settings} ->
            _ = filelib:ensure_dir(filename:join(spool(), Host)),
            Counter = monthly_visitors_nif:new(),
            case monthly_visitors_nif:open(Counter, Settings, self()) of
                ok ->
                    persistent_term:put(?COUNTER(Host), Counter),
                    add_hooks(Host),
                    mod_monthly_visitors_sweep:catch_up(Host),
                    {ok, Counter};
                Failure ->
                    Failure
            end;
        Failure ->
            Failure
    end.

%% From now on nobody is counted.
detach(Host) ->
    delete_hooks(Host),
    _ = persistent_term:erase(?COUNTER(Host)),
    ok.

add_hooks(Host) ->
    ejabberd_hooks:add(sm_register_connection_hook, Host, ?MODULE, sm_register_connection, 90),
    ejabberd_hooks:add(remove_user, Host, ?MODULE, remove_user, 90).

delete_hooks(Host) ->
    ejabberd_hooks:delete(sm_register_connection_hook, Host, ?MODULE, sm_register_connection, 90),
    ejabberd_hooks:delete(remove_user, Host, ?MODULE, remove_user, 90).

%% New options: a login sees all of the old ones or all of the new ones.
reload_opts(Opts, #state{counter = none} = State) ->
    open(State#state{opts = Opts, problem = none});
reload_opts(Opts, #state{host = Host, counter = Counter} = State) ->
    case change(Counter, Host, Opts()) of
        ok ->
            ?INFO_MSG("Counting visitors of ~ts with new options", [Host]),
            State#state{opts = Opts};
        {error, {_, Text}} ->
            ?ERROR_MSG("Counting visitors of ~ts goes on with the old options: ~ts", [Host, Text]),
            State
    end.

change(Counter, Host, Opts) ->
    case settings(Host, Opts) of
        {ok, Settings} -> monthly_visitors_nif:open(Counter, Settings, self());
        Failure -> Failure
    end.

%% The options as the library's settings, in the order of its patterns.
settings(Host, Opts) ->
    Expand = fun(store, Value) -> misc:expand_keyword(<<"@HOST@">>, Value, Host);
                (key_dir, Value) -> misc:expand_keyword(<<"@HOST@">>, Value, Host);
                (_, Value) -> Value
             end,
    Single = [{atom_to_binary(Key, utf8), Expand(Key, Value)}
              || {Key, Value} <- maps:to_list(Opts), Key /= clients, Value /= undefined],
    case lists:foldr(fun client/2, [], maps:get(clients, Opts, [])) of
        wrong -> {error, {config, <<"clients: each needs the texts pattern and category, nothing else">>}};
        Clients -> {ok, [{<<"host">>, Host} | Single] ++ Clients}
    end.

client(_, wrong) ->
    wrong;
client(Client, Clients) ->
    case lists:sort(Client) of
        [{<<"category">>, Category}, {<<"pattern">>, Pattern}] ->
            [{client, Pattern, Category} | Clients];
        _ ->
            wrong
    end.

%% A login was not counted. The first is logged at once; the others of the same
%% minute together, as there may be thousands.
lost(Reason, #state{host = Host, quiet = false} = State) ->
    ?WARNING_MSG("A login of ~ts was not counted: ~ts", [Host, reason(Reason)]),
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

sweep_failed() ->
    ?ERROR_MSG("Visitors that stayed connected over the month's end were not all counted", []).

log(error, Format, Args) -> ?ERROR_MSG(Format, Args);
log(warning, Format, Args) -> ?WARNING_MSG(Format, Args);
log(info, Format, Args) -> ?INFO_MSG(Format, Args);
log(debug, Format, Args) -> ?DEBUG(Format, Args).

%% The time of logins: now, or in tests, the number in a file.
-spec clock() -> now | integer().
clock() ->
    case persistent_term:get(?CLOCK, now) of
        now ->
            now;
        File ->
            {ok, Text} = file:read_file(File),
            binary_to_integer(string:trim(Text))
    end.

set_clock() ->
    case application:get_env(ejabberd, monthly_visitors_clock) of
        {ok, File} -> persistent_term:put(?CLOCK, File);
        undefined -> ok
    end.

%% ejabberd deletes the code of this module only.
pre_uninstall() ->
    lists:foreach(fun(Host) -> gen_mod:stop_module(Host, ?MODULE) end,
                  [Host || Host <- ejabberd_option:hosts(), gen_mod:is_loaded(Host, ?MODULE)]),
    lists:foreach(fun(Module) ->
                          code:purge(Module),
                          code:delete(Module),
                          code:purge(Module)
                  end,
                  [monthly_visitors_nif, monthly_visitors_login, mod_monthly_visitors_sweep,
                   mod_monthly_visitors_commands]).
