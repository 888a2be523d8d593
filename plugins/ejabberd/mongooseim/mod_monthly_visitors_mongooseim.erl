%%% The same for MongooseIM 6, on the same binding. Tested against the interface
%%% of its hooks only, not on a live server. Sessions that stay open over a
%%% month's end are not swept here.
%%%
%%%   [modules.mod_monthly_visitors_mongooseim]
%%%     settings = "/etc/monthly-visitors.toml"
%%%
%%% The file has all settings, the store among them. It needs, beside this
%%% module, all whose names begin with monthly_visitors_.
-module(mod_monthly_visitors_mongooseim).

-behaviour(gen_mod).

-export([start/2, stop/1, hooks/1, config_spec/0, supported_features/0]).
-export([sm_register_connection/3, remove_user/3]).
-export([settings/1, opened/1]).

-include("mongoose_config_spec.hrl").
-include_lib("kernel/include/logger.hrl").

-define(PARENT, ejabberd_sup).
-define(FILE_OF(HostType), {?MODULE, HostType}).

%% How long the end of the module may wait for the last visits, in ms.
-define(PATIENCE, 30000).

-spec config_spec() -> #section{}.
config_spec() ->
    #section{items = #{<<"settings">> => #option{type = string, validate = non_empty}},
             required = [<<"settings">>]}.

supported_features() ->
    [dynamic_domains].

hooks(HostType) ->
    [{sm_register_connection, HostType, fun ?MODULE:sm_register_connection/3, #{}, 90},
     {remove_user, HostType, fun ?MODULE:remove_user/3, #{}, 90}].

%% Always ok: counting must not keep the server from starting. The counter is
%% opened meanwhile, and tried again each minute if that fails.
start(HostType, #{settings := File}) ->
    try
        case monthly_visitors_nif:load_error() of
            none ->
                persistent_term:put(?FILE_OF(HostType), unicode:characters_to_binary(File)),
                Start = {monthly_visitors_host, start_link,
                         [HostType, fun ?MODULE:settings/1, fun ?MODULE:opened/1]},
                ok = monthly_visitors_sup:start_child(?PARENT, {host, HostType}, Start);
            Why ->
                ?LOG_ERROR("Not counting visitors of ~ts: ~ts", [HostType, Why])
        end
    catch
        Class:_:Stack ->
            ?LOG_ERROR("Not counting visitors of ~ts: ~ts",
                       [HostType, monthly_visitors_fault:where(Class, Stack)])
    end,
    ok.

stop(HostType) ->
    monthly_visitors_sup:stop_child(?PARENT, {host, HostType}),
    monthly_visitors_host:close([HostType], ?PATIENCE).

%% One store serves all domains of a host type, whatever host the file has.
settings(HostType) ->
    {ok, [{file, persistent_term:get(?FILE_OF(HostType))}, {<<"host">>, HostType}]}.

opened(_HostType) ->
    ok.

%% A login or a resumed stream. Raises nothing, and passes the accumulator on.
-spec sm_register_connection(Acc, map(), map()) -> {ok, Acc}.
sm_register_connection(Acc, Params, Extra) ->
    try
        #{jid := JID, info := Info} = Params,
        #{host_type := HostType} = Extra,
        case jid:to_lower(JID) of
            {<<>>, _, _} ->
                ok;
            {User, Server, Resource} ->
                monthly_visitors_host:record(HostType, name(User, Server), Resource, Info)
        end
    catch
        _:_ -> ok
    end,
    {ok, Acc}.

-spec remove_user(Acc, map(), map()) -> {ok, Acc}.
remove_user(Acc, Params, Extra) ->
    try
        #{jid := JID} = Params,
        #{host_type := HostType} = Extra,
        {User, Server, _} = jid:to_lower(JID),
        case monthly_visitors_host:forget(HostType, name(User, Server)) of
            {error, Text} ->
                ?LOG_WARNING("The mark of a deleted account of ~ts stays until the month is over: ~ts",
                             [HostType, Text]);
            _ ->
                ok
        end
    catch
        _:_ -> ok
    end,
    {ok, Acc}.

%% A host type may have many domains.
name(User, Server) ->
    <<User/binary, "@", Server/binary>>.
