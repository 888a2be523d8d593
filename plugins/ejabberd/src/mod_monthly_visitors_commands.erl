%%% The commands of mod_monthly_visitors for ejabberdctl and mod_http_api. They
%%% are global: each names its host.
-module(mod_monthly_visitors_commands).

-export([register/0, unregister/0]).
-export([report/2, purge/2, forget/2, flush/1, health/1]).

-include("ejabberd_commands.hrl").

%% How long a command may take, in ms. The library itself waits 10 s for visits
%% that are not yet in the store.
-define(PATIENCE, 30000).

%% With more arguments, registering cannot be undone in ejabberd 21.12 to 24.12.
-spec register() -> any().
register() ->
    ejabberd_commands:register_commands(specs()).

-spec unregister() -> any().
unregister() ->
    ejabberd_commands:unregister_commands(specs()).

specs() ->
    [#ejabberd_commands{
        name = monthly_visitors_report,
        tags = [statistics],
        desc = "Show how many users a host had in a month",
        longdesc = "The number of users from each place (geo-), with each "
                   "client (client-) and in each network (asn-).",
        module = ?MODULE, function = report,
        args = [{host, binary}, {month, binary}],
        args_desc = ["Name of the host", "Month, such as 2026-11"],
        args_example = [<<"example.net">>, <<"2026-11">>],
        result = {keys, {list, {key, {tuple, [{name, string}, {value, integer}]}}}},
        result_desc = "What is counted, and the number of users",
        result_example = [{"client-ANDROID", 2}, {"geo-DE-HE-2925533", 2}]},
     #ejabberd_commands{
        name = monthly_visitors_purge,
        tags = [statistics, purge],
        desc = "Delete the counts of the months before a month",
        longdesc = "Months that are still open stay.",
        module = ?MODULE, function = purge,
        args = [{host, binary}, {before, binary}],
        args_desc = ["Name of the host", "First month to keep, such as 2026-01"],
        args_example = [<<"example.net">>, <<"2026-01">>],
        result = {res, restuple},
        result_example = {ok, "done"}},
     #ejabberd_commands{
        name = monthly_visitors_forget,
        tags = [statistics],
        desc = "Delete what is kept of a user in the present month",
        longdesc = "The counts stay; the user counts again at the next login. "
                   "The answer is the same for every name. Deleting an account "
                   "does this by itself.",
        module = ?MODULE, function = forget,
        args = [{user, binary}, {host, binary}],
        args_desc = ["Name of the user, without the host", "Name of the host"],
        args_example = [<<"juliet">>, <<"example.net">>],
        result = {res, restuple},
        result_example = {ok, "done"}},
     #ejabberd_commands{
        name = monthly_visitors_flush,
        tags = [statistics],
        desc = "Wait until all counted visits of a host are in the store",
        longdesc = "Waits for at most 10 seconds.",
        module = ?MODULE, function = flush,
        args = [{host, binary}],
        args_desc = ["Name of the host"],
        args_example = [<<"example.net">>],
        result = {res, restuple},
        result_example = {ok, "done"}},
     #ejabberd_commands{
        name = monthly_visitors_health,
        tags = [statistics],
        desc = "Show how the counting of a host is",
        longdesc = "pending: visits that wait for the store. last_flush: when "
                   "the store was last written. failing: 1 while it cannot be "
                   "written. geoip_built, asn_built: when the databases were "
                   "built. Times are in Unix seconds; 0 is never.",
        module = ?MODULE, function = health,
        args = [{host, binary}],
        args_desc = ["Name of the host"],
        args_example = [<<"example.net">>],
        result = {values, {list, {entry, {tuple, [{name, string}, {value, integer}]}}}},
        result_example = [{"failing", 0}, {"pending", 12}]}].

-type failure() :: {error, string()}.

-spec report(binary(), binary()) -> [{Key :: binary(), non_neg_integer()}] | failure().
report(Host, Month) ->
    command(Host, "month",
            fun(Counter) ->
                    case monthly_visitors_nif:report(Counter, Month, Month) of
                        {ok, Rows} -> [{Key, Count} || {_, Key, Count} <- Rows];
                        Failure -> Failure
                    end
            end).

-spec purge(binary(), binary()) -> {ok, string()} | failure().
purge(Host, Before) ->
    command(Host, "before", fun(Counter) -> monthly_visitors_nif:purge(Counter, Before) end).

-spec forget(binary(), binary()) -> {ok, string()} | failure().
forget(User, Host) ->
    command(Host, "user",
            fun(Counter) ->
                    case jid:nodeprep(User) of
                        LUser when is_binary(LUser), LUser /= <<>> ->
                            forget_user(jid:nameprep(Host), LUser, Counter);
                        _ ->
                            {error, {config, <<"not the name of a user">>}}
                    end
            end).

%% Who asks by a command expects that it is done when the command is.
forget_user(Host, LUser, Counter) ->
    case monthly_visitors_host:forget(Host, LUser) of
        ok -> monthly_visitors_nif:flush(Counter, 10000);
        later -> {error, {closed, <<"the store is not open; the user is forgotten as soon as it is">>}};
        {error, Text} -> {error, {storage, Text}}
    end.

-spec flush(binary()) -> {ok, string()} | failure().
flush(Host) ->
    command(Host, "host", fun(Counter) -> monthly_visitors_nif:flush(Counter, 10000) end).

-spec health(binary()) -> [{Name :: binary(), integer()}] | failure().
health(Host) ->
    Names = [<<"pending">>, <<"last_flush">>, <<"failing">>, <<"geoip_built">>, <<"asn_built">>],
    command(Host, "host",
            fun(Counter) ->
                    Answers = [{Name, monthly_visitors_nif:health(Counter, Name)} || Name <- Names],
                    case [Failure || {_, {error, _} = Failure} <- Answers] of
                        [] -> [{Name, Value} || {Name, {ok, Value}} <- Answers];
                        [Failure | _] -> Failure
                    end
            end).

%% Errors are in the form that gives ejabberdctl exit status 1 and HTTP status
%% 400. Only months can be wrong arguments for the library, which knows them by
%% another name than the command.
command(Host, Argument, Do) ->
    LHost = jid:nameprep(Host),
    case is_binary(LHost) andalso gen_mod:is_loaded(LHost, mod_monthly_visitors) of
        false ->
            {error, "visitors of this host are not counted: it is no host of this server, or has no mod_monthly_visitors"};
        true ->
            case monthly_visitors_host:counter(LHost) of
                none ->
                    text(["visitors of this host are not counted: ", monthly_visitors_host:status(LHost)]);
                Counter ->
                    answer(Argument, monthly_visitors_fault:within(?PATIENCE, fun() -> Do(Counter) end))
            end
    end.

answer(_, ok) -> {ok, "done"};
answer(Argument, {error, {argument, _}}) -> text([Argument, " is not written as YYYY-MM"]);
answer(_, {error, {_, Text}}) -> text(Text);
answer(_, Rows) -> Rows.

text(Text) ->
    {error, binary_to_list(iolist_to_binary(Text))}.
