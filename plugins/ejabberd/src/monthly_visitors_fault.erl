%%% What went wrong, without with whom: where code of ours crashed, and answers
%%% that come in time or not at all.
-module(monthly_visitors_fault).

-export([where/2, within/2]).

%% The class and the place of an exception in one line. Its reason and the
%% arguments in its stack trace may contain users.
-spec where(atom(), list()) -> binary().
where(Class, [{Module, Function, Arity, Location} | _]) ->
    iolist_to_binary(
      io_lib:format("~ts in ~ts:~ts/~B, line ~B",
                    [Class, Module, Function,
                     if is_list(Arity) -> length(Arity); true -> Arity end,
                     proplists:get_value(line, Location, 0)]));
where(Class, _) ->
    atom_to_binary(Class, utf8).

%% What a function of the library answers, or {error, {timeout, _}}: a process
%% of its own waits, so that a late answer reaches nobody.
-spec within(timeout(), fun(() -> Answer)) -> Answer | monthly_visitors_nif:failure().
within(Ms, Do) ->
    {Pid, Ref} = spawn_monitor(fun() -> exit({answer, answer(Do)}) end),
    receive
        {'DOWN', Ref, process, Pid, {answer, Answer}} -> Answer;
        {'DOWN', Ref, process, Pid, _} -> {error, {internal, <<"ended by somebody">>}}
    after Ms ->
            exit(Pid, kill),
            demonitor(Ref, [flush]),
            {error, {timeout, <<"the store does not answer">>}}
    end.

answer(Do) ->
    try Do()
    catch
        Class:_:Stack -> {error, {internal, where(Class, Stack)}}
    end.
