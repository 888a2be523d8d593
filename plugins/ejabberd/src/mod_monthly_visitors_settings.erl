%%% The options of mod_monthly_visitors: their shapes, and how they become the
%%% settings of the library.
%%%
%%% ejabberd does not start when a module refuses an option. Nothing is refused
%%% here, therefore, not even an unknown name or a list where a text must be:
%%% what is wrong is found when the settings are made, and costs a line of the
%%% log. What a value must be is known to the library alone.
-module(mod_monthly_visitors_settings).

-export([opt_type/1, defaults/1, of_host/1]).

-spec opt_type(atom()) -> econf:validator().
opt_type(clients) ->
    lenient(econf:list(econf:map(text(), text())));
opt_type(record_countries) ->
    lenient(econf:and_then(econf:list_or_single(text()),
                           fun(Countries) -> iolist_to_binary(lists:join($,, Countries)) end));
opt_type(_) ->
    lenient(text()).

text() ->
    econf:either(econf:and_then(econf:int(), fun integer_to_binary/1),
                 econf:binary()).

lenient(Validator) ->
    econf:either(Validator, fun(_) -> wrong end).

%% '_' stands for all names that are not there.
-spec defaults(binary()) -> [{atom(), term()}].
defaults(Host) ->
    [{store, iolist_to_binary(["sealed:", filename:join(spool(), Host)])},
     {geoip, undefined},
     {asn, undefined},
     {clients, []},
     {pattern_syntax, undefined},
     {record_countries, undefined},
     {retention_months, undefined},
     {flush_interval, undefined},
     {pending_limit, undefined},
     {secret_file, undefined},
     {key_dir, undefined},
     {'_', undefined}].

spool() ->
    filename:join(mnesia:system_info(directory), "monthly_visitors").

%% The settings of a host that has the module, in the order of its patterns.
-spec of_host(binary()) -> {ok, [monthly_visitors_nif:setting()]} | monthly_visitors_nif:failure().
of_host(Host) ->
    Opts = maps:filter(fun(_, Value) -> Value /= undefined end,
                       gen_mod:get_module_opts(Host, mod_monthly_visitors)),
    Known = [Name || {Name, _} <- defaults(Host), Name /= '_'],
    case {maps:keys(maps:without(Known, Opts)), [Name || {Name, wrong} <- maps:to_list(Opts)]} of
        {[Unknown | _], _} -> failure([atom_to_binary(Unknown, utf8), ": there is no option of this name"]);
        {[], [clients | _]} -> failure(client_shape());
        {[], [Wrong | _]} -> failure([atom_to_binary(Wrong, utf8), ": must be a text or a whole number"]);
        {[], []} -> settings(Host, Opts)
    end.

settings(Host, Opts) ->
    Single = [{atom_to_binary(Name, utf8), expand(Name, Value, Host)}
              || {Name, Value} <- maps:to_list(Opts), Name /= clients],
    Clients = lists:map(fun client/1, maps:get(clients, Opts)),
    case {lists:member(wrong, Clients), same_store(Host, Opts)} of
        {true, _} ->
            failure(client_shape());
        {false, [Other | _]} ->
            failure(["store: ", Other, " has the same; write @HOST@ into it, for the name of the host"]);
        {false, []} ->
            _ = filelib:ensure_dir(filename:join(spool(), Host)),
            {ok, [{<<"host">>, Host} | Single] ++ Clients}
    end.

expand(Name, Value, Host) when Name == store; Name == key_dir ->
    misc:expand_keyword(<<"@HOST@">>, Value, Host);
expand(_, Value, _) ->
    Value.

client(Client) ->
    case lists:sort(Client) of
        [{<<"category">>, Category}, {<<"pattern">>, Pattern}] -> {client, Pattern, Category};
        _ -> wrong
    end.

client_shape() ->
    "clients: must be a list; each needs the texts pattern and category, nothing else".

%% The hosts that are to have the same folder for their store. Whichever was
%% opened first would count, and after a restart another one into its counts.
same_store(Host, Opts) ->
    Store = store(Host, Opts),
    [Other || is_folder(Store), Other <- ejabberd_option:hosts(), Other /= Host,
              {mod_monthly_visitors, Others, _} <- ejabberd_option:modules(Other),
              store(Other, Others) == Store].

is_folder(<<"sealed:", _/binary>>) -> true;
is_folder(<<"prosody:", _/binary>>) -> true;
is_folder(_) -> false.

store(Host, #{store := Store}) when is_binary(Store) -> expand(store, Store, Host);
store(_, _) -> none.

failure(Text) ->
    {error, {config, iolist_to_binary(Text)}}.
