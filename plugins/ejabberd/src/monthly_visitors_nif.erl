%%% The library as Erlang functions. No policy here: see monthly_visitors_host.
%%%
%%% Recording, forgetting, health/2 and new/0 touch memory only. All others may wait for a
%%% disk or a network: they run in a thread of the system, and the calling
%%% process waits for its message. No scheduler waits, whatever hangs. Who does
%%% not want to wait for ever calls them in a process that can be killed.
%%%
%%% Nothing here raises an error that carries its arguments, so no user can
%%% reach a stack trace. Without its C part, each function but load_error/0
%%% raises not_loaded.
-module(monthly_visitors_nif).

-export([load_error/0, version/0, new/0, open/3, record/5, flush/2, close/1,
         reload_geoip/1, purge/2, forget/2, report/3, report_text/4, health/2,
         copy/2]).

-export_type([counter/0, failure/0, reason/0, setting/0]).

-on_load(load/0).
-nifs([version/0, new/0, record/5, forget/2, health/2, start/3]).

%% Closes when nobody refers to it any more. What cannot be written then is
%% lost: close it first to be told.
-opaque counter() :: reference().

-type reason() :: argument | config | closed | month | storage | geoip | full
                | timeout | internal.

%% The text is one line, fit for any log.
-type failure() :: {error, {reason(), binary()}}.

%% A setting by its name and value, one more client pattern, or all settings of
%% a TOML file. Later ones win.
-type setting() :: {binary(), binary()}
                 | {client, Pattern :: binary(), Category :: binary()}
                 | {file, binary()}.

%% A month, "2026-11".
-type month() :: binary().

-define(LOAD_ERROR, {?MODULE, load_error}).

%% Always ok: a module that cannot be loaded would be reported by Erlang in
%% words that help nobody. Who uses this asks load_error/0 first.
load() ->
    case erlang:load_nif(filename:join([priv_dir(), "lib", ?MODULE_STRING]), 0) of
        ok -> persistent_term:erase(?LOAD_ERROR);
        {error, {_, Text}} -> persistent_term:put(?LOAD_ERROR, missing(Text))
    end,
    ok.

priv_dir() ->
    case code:priv_dir(mod_monthly_visitors) of
        {error, bad_name} ->
            Ebin = filename:dirname(code:which(?MODULE)),
            filename:join(filename:dirname(Ebin), "priv");
        Dir ->
            Dir
    end.

%% What building the C part lacked, if it says, or why it cannot be loaded.
missing(Text) ->
    case file:read_file(filename:join(priv_dir(), "missing")) of
        {ok, What} ->
            ["its C part was not built, for lack of ", string:trim(What)];
        {error, _} ->
            case filelib:is_regular(filename:join([priv_dir(), "lib", ?MODULE_STRING ++ ".so"])) of
                true ->
                    Text;
                false ->
                    ["its C part was not built: `make -C c_src` in the sources"
                     " of the module says why (it needs make, a C compiler,"
                     " erl_nif.h and monthly_visitors.h)"]
            end
    end.

%% Why the C part is not there, in one line.
-spec load_error() -> none | iodata().
load_error() ->
    persistent_term:get(?LOAD_ERROR, none).

-spec version() -> binary().
version() ->
    erlang:nif_error(not_loaded).

%% A closed counter.
-spec new() -> counter().
new() ->
    erlang:nif_error(not_loaded).

%% Counts a login. The time is in Unix seconds.
-spec record(counter(), User :: binary(), Ip :: binary() | undefined,
             Resource :: binary() | undefined, now | integer()) ->
          ok | {error, reason()}.
record(_Counter, _User, _Ip, _Resource, _Time) ->
    erlang:nif_error(not_loaded).

%% Deletes what is kept of a user: in memory at once, in the store like a visit.
-spec forget(counter(), User :: binary()) -> ok | failure().
forget(_Counter, _User) ->
    erlang:nif_error(not_loaded).

%% One value of mv_health: <<"pending">>, <<"last_flush">>, ...
-spec health(counter(), Name :: binary()) -> {ok, integer()} | failure().
health(_Counter, _Name) ->
    erlang:nif_error(not_loaded).

%% Opens a counter, or changes the settings of an open one, atomically. Its log
%% lines are sent to the process: {monthly_visitors, Level, Line}, Level being
%% error, warning, info or debug. Reads disks, and asks the network if the
%% store is there.
-spec open(counter(), [setting()], pid()) -> ok | failure().
open(Counter, Settings, Listener) ->
    call(open, [Counter, Settings, Listener]).

%% Waits until all that was recorded before is in the store.
-spec flush(counter(), TimeoutMs :: non_neg_integer()) -> ok | failure().
flush(Counter, TimeoutMs) ->
    call(flush, [Counter, TimeoutMs]).

%% Flushes and closes. After a failure the counter is as open as before.
-spec close(counter()) -> ok | failure().
close(Counter) ->
    call(close, [Counter]).

%% Reads the databases again now, rather than within a minute of their change.
-spec reload_geoip(counter()) -> ok | failure().
reload_geoip(Counter) ->
    call(reload_geoip, [Counter]).

%% Deletes the totals of the months before.
-spec purge(counter(), month()) -> ok | failure().
purge(Counter, Before) ->
    call(purge, [Counter, Before]).

%% The totals of the months between the two, both included, sorted.
-spec report(counter(), First :: month() | undefined,
             Last :: month() | undefined) ->
          {ok, [{month(), Key :: binary(), non_neg_integer()}]} | failure().
report(Counter, First, Last) ->
    call(report, [Counter, First, Last]).

%% The same as text: <<"table">>, <<"json">>, <<"csv">>, ...
-spec report_text(counter(), First :: month() | undefined,
                  Last :: month() | undefined, Format :: binary()) ->
          {ok, binary()} | failure().
report_text(Counter, First, Last, Format) ->
    call(report_text, [Counter, First, Last, Format]).

%% Copies all totals of one store into another; both are given by settings.
-spec copy(From :: [setting()], To :: [setting()]) -> ok | failure().
copy(From, To) ->
    call(copy, [From, To]).

call(Function, Arguments) ->
    Ref = make_ref(),
    case start(Ref, Function, Arguments) of
        ok -> receive {Ref, Answer} -> Answer end;
        Failure -> Failure
    end.

%% Starts a function in a thread; {Ref, Answer} comes when it has ended.
-spec start(reference(), atom(), list()) -> ok | failure().
start(_Ref, _Function, _Arguments) ->
    erlang:nif_error(not_loaded).
