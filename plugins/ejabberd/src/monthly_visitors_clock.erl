%%% The time, in one place, so that tests have another one.
-module(monthly_visitors_clock).

-export([login/0, seconds/0, tick/0]).

%% The time of a login that happens now: the library knows it best.
-spec login() -> now | integer().
login() ->
    now.

%% Now, in Unix seconds.
-spec seconds() -> integer().
seconds() ->
    erlang:system_time(second).

%% How often the sweep looks whether it is due, in ms.
-spec tick() -> pos_integer().
tick() ->
    timer:minutes(1).
