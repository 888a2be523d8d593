%%% The same for MongooseIM 6, on the same binding. Tested against the interface
%%% of its hooks only, not on a live server. Sessions that stay open over a
%%% month's end are not swept here.
%%%
%%%   [modules.mod_monthly_visitors_mongooseim]
%%%     settings = "/etc/monthly-visitors.toml"
%%%
%%% The file has all settings, the store among them. It needs, beside this
%%% module, monthly_visitors_login and monthly_visitors_nif.
-module(mod_monthly_visitors_mongooseim).

-behaviour(gen_mod).

-export([start/2, stop/1, hooks/1, config_spec/0, supported_features/0]).
-export([sm_register_connection/3, remove_user/3]).

-include("mongoose_config_spec.hrl").
-include_lib("kernel/include/logger.hrl").

-define(COUNTER(HostType), {?MODULE, HostType}).

-spec config_spec() -> #section{}.
config_spec() ->
    #section{items = #{<<"settings">> => #option{type = string, validate = non_empty}},
             required = [<<"settings">>]}.

supported_features() ->
    [dynamic_domains].

hooks(HostType) ->
    [{sm_register_connection, HostType, fun ?MODULE:sm_register_connection/3, #{}, 90},
     {remove_user, HostType, fun ?MODULE:remove_user/3, #{}, 90}].

%% Always ok: counting must not keep the server from starting.
start(HostType, #{settings := File}) ->
    try
        case monthly_visitors_nif:load_error() of
            none ->
                open(HostType, unicode:characters_to_binary(File));
            Why ->
                ?LOG_ERROR(#{what => monthly_visitors_not_counted, host_type => HostType,
                             reason => iolist_to_binary(Why)})
        end
    catch
        Class:_ ->
            ?LOG_ERROR(#{what => monthly_visitors_not_counted, host_type => HostType,
                         reason => Class})
    end,
    ok.

open(HostType, File) ->
    Counter = monthly_visitors_nif:new(),
    Process = spawn(fun() -> serve(Counter, HostType) end),
    Settings = [{file, File}, {<<"host">>, HostType}],
    case monthly_visitors_nif:open(Counter, Settings, Process) of
        ok ->
            persistent_term:put(?COUNTER(HostType), {Counter, Process});
        {error, {_, Text}} ->
            Process ! stop,
            ?LOG_ERROR(#{what => monthly_visitors_not_counted, host_type => HostType,
                         reason => Text})
    end.

stop(HostType) ->
    case persistent_term:get(?COUNTER(HostType), none) of
        none ->
            ok;
        {_, Process} ->
            %% What was read is no copy, so another process closes the counter
            %% that it has: closing must not run with a term that is erased.
            Ref = monitor(process, Process),
            persistent_term:erase(?COUNTER(HostType)),
            Process ! close,
            receive {'DOWN', Ref, process, _, _} -> ok end
    end.

%% Writes log lines, forgets users one after the other, and closes.
serve(Counter, HostType) ->
    receive
        stop ->
            ok;
        close ->
            case monthly_visitors_nif:close(Counter) of
                ok ->
                    ok;
                {error, {_, Text}} ->
                    ?LOG_ERROR(#{what => monthly_visitors_lost, host_type => HostType,
                                 reason => Text})
            end;
        {monthly_visitors, Level, Line} ->
            logger:log(Level, #{what => monthly_visitors, host_type => HostType, text => Line}),
            serve(Counter, HostType);
        {forget, Name} ->
            try monthly_visitors_nif:forget(Counter, Name())
            catch
                %% What is caught may contain the name.
                _:_ -> ok
            end,
            serve(Counter, HostType);
        _ ->
            serve(Counter, HostType)
    end.

%% A login or a resumed stream. Raises nothing, and passes the accumulator on.
-spec sm_register_connection(Acc, map(), map()) -> {ok, Acc}.
sm_register_connection(Acc, Params, Extra) ->
    try
        #{jid := JID, info := Info} = Params,
        #{host_type := HostType} = Extra,
        case {jid:to_lower(JID), persistent_term:get(?COUNTER(HostType), none)} of
            {{<<>>, _, _}, _} ->
                ok;
            {_, none} ->
                ok;
            {{User, Server, Resource}, {Counter, _}} ->
                monthly_visitors_login:record(Counter, name(User, Server), Resource, Info, now)
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
        {_, Process} = persistent_term:get(?COUNTER(HostType)),
        Process ! {forget, fun() -> name(User, Server) end}
    catch
        _:_ -> ok
    end,
    {ok, Acc}.

%% A host type has many domains.
name(User, Server) ->
    <<User/binary, "@", Server/binary>>.
