"""The binding by itself, in an Erlang without ejabberd."""

import os
import subprocess

import pytest

# Runs what a test gives, with C as an open counter that keeps nothing.
PROLOGUE = """
N = monthly_visitors_nif,
C = N:new(),
ok = N:open(C, [{<<"store">>, <<"memory:">>}, {client, <<"gajim">>, <<"DESKTOP">>}], self()),
Rows = fun() -> {ok, R} = N:report(C, undefined, undefined), [{K, V} || {_, K, V} <- R] end,
"""


@pytest.fixture
def erl(tmp_path, ejabberd_plugin, ejabberd_library):
    def erl(code, prologue=PROLOGUE, expect=0, arguments=()):
        (tmp_path / "code").write_text(prologue + code + ",\ndone.\n")
        run = f'case catch file:script("{tmp_path}/code") of {{ok, done}} -> halt(0); Other -> io:format("~p~n", [Other]), halt(1) end.'
        done = subprocess.run(
            ["erl", "-noinput", *arguments, "-pa", ejabberd_plugin / "ebin", "-eval", run],
            env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "LD_LIBRARY_PATH": str(ejabberd_library)},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == expect, done.stdout + done.stderr
        return done.stdout + done.stderr

    return erl


def test_counts_and_reports(erl):
    erl("""
ok = N:record(C, <<"juliet">>, <<"192.0.2.1">>, <<"gajim.1">>, now),
ok = N:record(C, <<"juliet">>, undefined, undefined, now),
ok = N:record(C, <<"romeo">>, undefined, undefined, now),
[{<<"client-?">>, 1}, {<<"client-DESKTOP">>, 1}, {<<"geo-?-?-?">>, 2}] = Rows(),
ok = N:flush(C, 1000),
{ok, 0} = N:health(C, <<"pending">>),
{ok, Csv} = N:report_text(C, undefined, undefined, <<"csv">>),
{match, _} = re:run(Csv, "DESKTOP"),
{error, {argument, _}} = N:report_text(C, undefined, undefined, <<"no such format">>),
ok = N:forget(C, <<"juliet">>),
ok = N:purge(C, <<"2020-01">>),
ok = N:reload_geoip(C),
ok = N:close(C),
{error, closed} = N:record(C, <<"juliet">>, undefined, undefined, now),
{error, {closed, _}} = N:flush(C, 1)""")


def test_a_wrong_argument_is_an_answer_and_never_an_exception(erl):
    erl("""
Long = binary:copy(<<"x">>, 3072),
Longest = binary:copy(<<"x">>, 3071),
Wrong = [Long, <<"a", 0, "b">>, <<0>>, "list", atom, 1, 1.5, {}, [], #{}, self(), <<1:3>>],
[{error, argument} = N:record(C, W, undefined, undefined, now) || W <- Wrong],
[{error, argument} = N:record(C, <<"u">>, W, undefined, now) || W <- Wrong],
[{error, argument} = N:record(C, <<"u">>, undefined, W, now) || W <- Wrong],
[{error, argument} = N:record(C, <<"u">>, undefined, undefined, W) || W <- Wrong, W /= 1],
[{error, argument} = N:record(W, <<"u">>, undefined, undefined, now) || W <- [make_ref() | Wrong]],
[] = Rows(),
[{error, {argument, _}} = N:forget(C, W) || W <- Wrong],
[{error, {argument, _}} = N:purge(C, W) || W <- Wrong],
[{error, {argument, _}} = N:report(C, W, undefined) || W <- Wrong],
[{error, {argument, _}} = N:report(C, undefined, W) || W <- Wrong],
[{error, {argument, _}} = N:report_text(C, undefined, undefined, W) || W <- Wrong],
[{error, {argument, _}} = N:health(C, W) || W <- Wrong],
[{error, {argument, _}} = N:flush(C, W) || W <- [-1, 1 bsl 40 | Wrong], W /= 1],
[{error, {argument, _}} = N:open(C, [], W) || W <- Wrong, W /= self()],
[{error, {_, _}} = N:open(C, W, self()) || W <- [[W] || W <- Wrong] ++ [improper, [{<<"host">>, <<>>} | x]]],
[{error, {argument, _}} = N:F(make_ref()) || F <- [close, reload_geoip]],
[{error, {argument, _}} = N:copy([W], []) || W <- Wrong],
{error, {config, Text}} = N:open(C, [{<<"colour">>, <<"red">>}], self()),
nomatch = re:run(Text, "colour"),
ok = N:record(C, Longest, undefined, undefined, now),
ok = N:record(C, <<"address">>, Longest, undefined, now),
[{_, 2}, {_, 2}] = Rows()""")


def test_new_code_takes_the_counters_of_the_old(erl):
    erl("""
ok = N:record(C, <<"juliet">>, undefined, undefined, now),
{module, N} = code:load_file(N),
none = N:load_error(),
ok = N:record(C, <<"romeo">>, undefined, undefined, now),
true = code:soft_purge(N),
[{<<"client-?">>, 2}, {<<"geo-?-?-?">>, 2}] = Rows()""")


def test_a_counter_that_nobody_has_closes_and_is_written(erl, tmp_path):
    """The store is locked while it is open: opening it again shows that it was closed."""
    erl(
        f"""
N = monthly_visitors_nif,
Settings = [{{<<"store">>, <<"sealed:{tmp_path}/store">>}}, {{<<"flush_interval">>, <<"1h">>}}],
{{Pid, Ref}} = spawn_monitor(fun() ->
    C = N:new(),
    ok = N:open(C, Settings, self()),
    {{error, {{storage, _}}}} = N:open(N:new(), Settings, self()),
    ok = N:record(C, <<"juliet">>, undefined, undefined, now)
end),
receive {{'DOWN', Ref, process, Pid, normal}} -> ok end,
Again = N:new(),
Open = fun Open(0) -> never;
           Open(Times) -> case N:open(Again, Settings, self()) of ok -> ok; _ -> timer:sleep(20), Open(Times - 1) end
       end,
ok = Open(500),
{{ok, [_, _]}} = N:report(Again, undefined, undefined)""",
        prologue="",
    )


def test_log_lines_are_messages(erl, tmp_path):
    (tmp_path / "store").mkdir()
    (tmp_path / "store/2026-11.sealed").write_text("damaged")
    output = erl(
        f"""
N = monthly_visitors_nif,
C = N:new(),
ok = N:open(C, [{{<<"store">>, <<"sealed:{tmp_path}/store">>}}], self()),
ok = receive {{monthly_visitors, Level, Line}} when is_binary(Line), (Level == error orelse Level == warning) -> ok
after 10000 -> never
end""",
        prologue="",
    )
    assert output == ""


def test_copies_a_store(erl, tmp_path):
    erl(f"""
A = [{{<<"store">>, <<"sealed:{tmp_path}/a">>}}],
B = [{{<<"store">>, <<"sealed:{tmp_path}/b">>}}],
D = N:new(),
ok = N:open(D, A, self()),
ok = N:record(D, <<"juliet">>, undefined, undefined, 1700000000),
ok = N:record(D, <<"juliet">>, undefined, undefined, 1705000000),
ok = N:record(D, <<"juliet">>, undefined, undefined, 1706000000),
ok = N:close(D),
ok = N:copy(A, B),
ok = N:open(D, B, self()),
{{ok, [{{<<"2023-11">>, _, 1}} | _]}} = N:report(D, undefined, undefined)""")


def test_options_are_the_settings_of_the_library_and_each_is_documented(erl):
    erl("""
true = code:add_pathsa(filelib:wildcard("/usr/lib/*/ejabberd-*/ebin")) == ok,
{error, {config, Text}} = N:open(C, [{<<"no such setting">>, <<>>}], self()),
[_, Known] = string:split(Text, "known are "),
Settings = [binary_to_atom(Key) || Key <- string:lexemes(Known, ", ")],
Options = [Option || {Option, _} <- mod_monthly_visitors:mod_options(<<"example.net">>), Option /= '_'],
Documented = [Option || {Option, _} <- maps:get(opts, mod_monthly_visitors:mod_doc())],
Same = lists:sort(Options),
Same = lists:sort(Documented),
Same = lists:sort([clients | Settings -- [host, read_only]])""")


def test_what_hangs_holds_no_scheduler(erl, tmp_path):
    """Reading a pipe waits for whoever writes into it, here for ever. The node has one dirty scheduler for its files."""
    os.mkfifo(tmp_path / "pipe")
    erl(
        f"""
[spawn(fun() ->
     H = N:new(),
     N:open(H, [{{<<"store">>, <<"memory:">>}}, {{<<"geoip">>, <<"{tmp_path}/pipe">>}}], self())
 end) || _ <- lists:seq(1, 30)],
1 = erlang:system_info(dirty_io_schedulers),
{{ok, _}} = file:read_file("/etc/hostname"),
ok = N:record(C, <<"juliet">>, undefined, undefined, now),
[_, _] = Rows(),
timer:sleep(200),
{{ok, _}} = file:read_file("/etc/hostname"),
%% Nobody waits for what hangs, not even the end of the node.
ok = N:close(C)""",
        arguments=("+SDio", "1"),
    )


def test_a_late_answer_reaches_nobody(erl, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    erl(f"""
H = N:new(),
Open = fun() -> N:open(H, [{{<<"store">>, <<"memory:">>}}, {{<<"geoip">>, <<"{tmp_path}/pipe">>}}], self()) end,
{{error, {{timeout, _}}}} = monthly_visitors_fault:within(100, Open),
{{ok, Pipe}} = file:open("{tmp_path}/pipe", [write, raw]),
ok = file:close(Pipe),
timer:sleep(300),
{{messages, []}} = process_info(self(), messages),
{{error, {{internal, Where}}}} = monthly_visitors_fault:within(1000, fun() -> lists:nth(juliet, [romeo]) end),
<<"error in lists:nth/2", _/binary>> = Where""")


def test_without_its_c_part_it_says_what_is_missing(erl, tmp_path, ejabberd_plugin):
    folder = tmp_path / "mod_monthly_visitors"
    subprocess.run(["cp", "-r", ejabberd_plugin, folder], check=True)
    (folder / "priv/lib/monthly_visitors_nif.so").unlink()
    (folder / "priv/missing").write_text("a C compiler (cc)\n")
    erl(
        f"""
true = code:add_patha("{folder}/ebin"),
"its C part was not built, for lack of a C compiler (cc)" = lists:flatten([io_lib:format("~ts", [monthly_visitors_nif:load_error()])]),
{{'EXIT', {{not_loaded, _}}}} = (catch monthly_visitors_nif:version())""",
        prologue="",
    )
