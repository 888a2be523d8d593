%%% Counts how many people use each host, month by month, from which places and
%%% with which clients. What ejabberd asks of a module, and its hooks; the
%%% counting is in the library, and monthly_visitors_host keeps its counters.
%%%
%%% Two rules are behind much of what looks careful here. Nothing may break or
%%% delay a login or stop the node: ejabberd halts when start/2 raises, so
%%% start/2 logs and returns ok. And no user, JID or address may reach a log:
%%% ejabberd logs the arguments of a hook that raises.
-module(mod_monthly_visitors).

-behaviour(gen_mod).

%% gen_mod
-export([start/2, stop/1, reload/3, depends/2, mod_opt_type/1, mod_options/1,
         mod_doc/0]).
%% Hooks
-export([sm_register_connection/3, remove_user/2, ejabberd_stopping/0]).
%% For mod_monthly_visitors_sweep
-export([record/2]).
%% For ejabberdctl module_uninstall
-export([pre_uninstall/0]).

-include("logger.hrl").

-define(PARENT, ejabberd_gen_mod_sup).

%% How long the end of the node, or of a host, may wait for the last visits, ms.
-define(PATIENCE, 30000).

%% Set while the node ends.
-define(STOPPING, {?MODULE, stopping}).

%%%===================================================================
%%% gen_mod
%%%===================================================================

start(Host, _Opts) ->
    case monthly_visitors_nif:load_error() of
        none ->
            guarded(Host, fun() -> start_host(Host) end),
            %% Apart from counting: they are records of ejabberd, which change.
            guarded(Host, fun mod_monthly_visitors_commands:register/0);
        Why ->
            ?ERROR_MSG("Not counting visitors of ~ts: ~ts", [Host, Why])
    end,
    ok.

guarded(Host, Do) ->
    try Do()
    catch
        Class:_:Stack ->
            ?ERROR_MSG("Counting visitors of ~ts: ~ts", [Host, monthly_visitors_fault:where(Class, Stack)])
    end.

start_host(Host) ->
    persistent_term:erase(?STOPPING),
    start_processes(Host),
    ejabberd_hooks:add(ejabberd_stopping, ?MODULE, ejabberd_stopping, 90),
    ejabberd_hooks:add(sm_register_connection_hook, Host, ?MODULE, sm_register_connection, 90),
    ejabberd_hooks:add(remove_user, Host, ?MODULE, remove_user, 90).

start_processes(Host) ->
    _ = monthly_visitors_sup:start_child(?PARENT, mod_monthly_visitors_sweep,
                                         {mod_monthly_visitors_sweep, start_link, []}),
    ok = monthly_visitors_sup:start_child(
           ?PARENT, {host, Host},
           {monthly_visitors_host, start_link,
            [Host, fun mod_monthly_visitors_settings:of_host/1, fun mod_monthly_visitors_sweep:catch_up/1]}).

%% ejabberd stops a module that is uninstalled once more after pre_uninstall/0,
%% which would load the code again that is gone.
stop(Host) ->
    case gen_mod:is_loaded(Host, ?MODULE) of
        true -> stop_host(Host);
        false -> ok
    end.

stop_host(Host) ->
    ejabberd_hooks:delete(sm_register_connection_hook, Host, ?MODULE, sm_register_connection, 90),
    ejabberd_hooks:delete(remove_user, Host, ?MODULE, remove_user, 90),
    monthly_visitors_sup:stop_child(?PARENT, {host, Host}),
    %% At the end of the node one host after the other is stopped. All are
    %% closed with the first: a disk that hangs is waited for once.
    Hosts = case persistent_term:get(?STOPPING, false) of
                true -> ejabberd_option:hosts();
                false -> [Host]
            end,
    monthly_visitors_host:close(Hosts, ?PATIENCE),
    case gen_mod:is_loaded_elsewhere(Host, ?MODULE) of
        true ->
            ok;
        false ->
            ejabberd_hooks:delete(ejabberd_stopping, ?MODULE, ejabberd_stopping, 90),
            monthly_visitors_sup:stop_child(?PARENT, mod_monthly_visitors_sweep),
            mod_monthly_visitors_commands:unregister()
    end.

ejabberd_stopping() ->
    persistent_term:put(?STOPPING, true).

reload(Host, _NewOpts, _OldOpts) ->
    case monthly_visitors_nif:load_error() of
        none ->
            %% They are there, unless they have crashed all the time.
            guarded(Host, fun() -> start_processes(Host) end),
            monthly_visitors_host:reload(Host);
        _ ->
            ok
    end.

depends(_Host, _Opts) ->
    [].

mod_opt_type(Option) ->
    mod_monthly_visitors_settings:opt_type(Option).

mod_options(Host) ->
    mod_monthly_visitors_settings:defaults(Host).

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
           "    clients:",
           "      - pattern: '^Conversations%.'",
           "        category: ANDROID",
           "      - pattern: '^[Gg]ajim'",
           "        category: DESKTOP"]}.

%%%===================================================================
%%% Hooks
%%%===================================================================

%% Runs in the client's process, at login and when a stream is resumed.
sm_register_connection(_SID, JID, Info) ->
    try
        _ = record(jid:tolower(JID), Info),
        ok
    catch
        _:_ -> ok
    end.

%% Counts a session, if its host has the module. Touches memory only.
-spec record({binary(), binary(), binary()}, list()) -> ok | ignored | {error, atom()}.
record({User, Host, Resource}, Info) when User /= <<>> ->
    monthly_visitors_host:record(Host, User, Resource, Info);
record(_, _) ->
    ignored.

%% An account is deleted.
remove_user(User, Server) ->
    try
        {LUser, Host} = {jid:nodeprep(User), jid:nameprep(Server)},
        case monthly_visitors_host:forget(Host, LUser) of
            {error, Text} ->
                ?WARNING_MSG("The mark of a deleted account of ~ts stays until "
                             "the month is over: ~ts", [Host, Text]);
            _ ->
                ok
        end
    catch
        _:_ -> ?WARNING_MSG("The mark of a deleted account was not deleted", [])
    end,
    ok.

%%%===================================================================
%%% Uninstalling
%%%===================================================================

%% ejabberd deletes the code of this module only.
pre_uninstall() ->
    lists:foreach(fun(Host) -> gen_mod:stop_module(Host, ?MODULE) end,
                  [Host || Host <- ejabberd_option:hosts(), gen_mod:is_loaded(Host, ?MODULE)]),
    Folder = filename:dirname(code:which(?MODULE)),
    Modules = [list_to_atom(filename:basename(File, ".beam"))
               || File <- filelib:wildcard(filename:join(Folder, "*.beam"))],
    lists:foreach(fun(Module) ->
                          code:purge(Module),
                          code:delete(Module),
                          code:purge(Module)
                  end,
                  Modules -- [?MODULE]).
