%%% Supervises the processes that count. One that crashes comes back; should
%%% they crash all the time, this supervisor gives up alone: its parent does not
%%% start it again, nor fall with it, and the node goes on.
-module(monthly_visitors_sup).

-behaviour(supervisor).

-export([start_child/3, stop_child/2]).
-export([start_link/0, init/1]).

%% Starts a process below a supervisor of the server, unless it is there.
-spec start_child(Parent :: atom(), Id :: term(), mfa_of()) -> ok | {error, term()}.
-type mfa_of() :: {module(), atom(), list()}.
start_child(Parent, Id, Start) ->
    _ = supervisor:start_child(Parent, #{id => ?MODULE,
                                         start => {?MODULE, start_link, []},
                                         restart => temporary,
                                         shutdown => infinity,
                                         type => supervisor}),
    case supervisor:start_child(?MODULE, #{id => Id, start => Start}) of
        {ok, _} -> ok;
        {error, {already_started, _}} -> ok;
        {error, _} = Failure -> Failure
    end.

%% Ends a process, and with the last one the supervisor.
-spec stop_child(Parent :: atom(), Id :: term()) -> ok.
stop_child(Parent, Id) ->
    try
        _ = supervisor:terminate_child(?MODULE, Id),
        _ = supervisor:delete_child(?MODULE, Id),
        case supervisor:which_children(?MODULE) of
            [{monthly_visitors_turns, _, _, _}] -> supervisor:terminate_child(Parent, ?MODULE);
            _ -> ok
        end
    catch
        %% It has given up, or never was.
        exit:_ -> ok
    end,
    ok.

start_link() ->
    supervisor:start_link({local, ?MODULE}, ?MODULE, []).

init([]) ->
    {ok, {#{strategy => one_for_one, intensity => 10, period => 60},
          [#{id => monthly_visitors_turns, start => {monthly_visitors_turns, start_link, []}}]}}.
