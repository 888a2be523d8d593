%%% A stub of MongooseIM's supervisor.
-module(ejabberd_sup).

-behaviour(supervisor).

-export([start/0, init/1]).

%% Not linked to whoever starts it.
start() ->
    {ok, Pid} = supervisor:start_link({local, ?MODULE}, ?MODULE, []),
    unlink(Pid).

init([]) ->
    {ok, {#{strategy => one_for_one}, []}}.
