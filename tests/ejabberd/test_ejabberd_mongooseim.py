"""The module for MongooseIM, against a stub of its hooks: what its handlers get and must answer."""

import os
import subprocess
from pathlib import Path

import pytest
from ejabberd_server import ROOT

STUB = Path(__file__).parent / "mongooseim"
PROLOGUE = """
M = mod_monthly_visitors_mongooseim,
T = <<"type">>,
ejabberd_sup:start(),
Wait = fun Wait(_, 0) -> never;
           Wait(Is, Times) -> case Is() of true -> ok; false -> timer:sleep(20), Wait(Is, Times - 1) end
       end,
Start = fun() ->
    ok = M:start(T, #{settings => Settings}),
    ok = Wait(fun() -> monthly_visitors_host:counter(T) /= none end, 500)
end,
Hooks = M:hooks(T),
Register = fun(Acc, User, Resource, Info) ->
    gen_hook:run(Hooks, sm_register_connection, Acc,
                 #{sid => {erlang:timestamp(), self()}, jid => jid:make(User, <<"example.net">>, Resource), info => Info})
end,
Ip = {{192, 0, 2, 1}, 50000},
Rows = fun() ->
    C = monthly_visitors_nif:new(),
    ok = monthly_visitors_nif:open(C, [{<<"store">>, Store}, {<<"host">>, T}, {<<"read_only">>, <<"true">>}], self()),
    {ok, R} = monthly_visitors_nif:report(C, undefined, undefined),
    [{K, V} || {_, K, V} <- R]
end,
"""


@pytest.fixture
def erl(tmp_path, ejabberd_plugin, ejabberd_library, ejabberd_places):
    beams = tmp_path / "beams"
    beams.mkdir()
    sources = [STUB / f"{name}.erl" for name in ("ejabberd_sup", "gen_hook", "gen_mod", "jid")]
    sources.append(ROOT / "plugins/ejabberd/mongooseim/mod_monthly_visitors_mongooseim.erl")
    for source in sources:
        subprocess.run(["erlc", "-Wall", "-Werror", "-I", STUB, "-pa", beams, "-o", beams, source], check=True)
    settings = tmp_path / "settings.toml"
    settings.write_text(
        f"store = 'sealed:{tmp_path}/store'\nflush_interval = '10ms'\ngeoip = '{ejabberd_places}'\n"
        "[[client]]\npattern = 'gajim'\ncategory = 'DESKTOP'\n"
    )

    def erl(code):
        (tmp_path / "code").write_text(f'Settings = "{settings}", Store = <<"sealed:{tmp_path}/store">>,' + PROLOGUE + code + ",\ndone.\n")
        run = f'case catch file:script("{tmp_path}/code") of {{ok, done}} -> halt(0); Other -> io:format("~p~n", [Other]), halt(1) end.'
        done = subprocess.run(
            ["erl", "-noinput", "-pa", ejabberd_plugin / "ebin", "-pa", beams, "-eval", run],
            env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "LD_LIBRARY_PATH": str(ejabberd_library)},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    return erl


def test_a_connection_counts_and_the_accumulator_passes(erl):
    erl("""
Start(),
made_up = Register(made_up, <<"Juliet">>, <<"gajim">>, #{ip => Ip, conn => c2s, auth_module => internal}),
#{} = Register(#{}, <<"juliet">>, <<"psi">>, #{ip => Ip}),
ok = Register(ok, <<"romeo">>, <<"gajim">>, #{ip => {{0, 0, 0, 0, 0, 65535, 49152, 513}, 1}}),
ok = Register(ok, <<"nobody">>, <<"gajim">>, #{ip => Ip, auth_module => anonymous}),
ok = M:stop(T),
[{<<"client-DESKTOP">>, 2}, {<<"geo-DE-HE-2925533">>, 2}] = Rows()""")


def test_handlers_raise_nothing_and_print_nothing(erl):
    output = erl("""
Odd = [#{}, #{jid => canary}, #{jid => canary, info => canary}, #{jid => jid:make(<<"canary">>, <<"canary">>, <<>>), info => canary}],
[acc = gen_hook:run(Hooks, Hook, acc, Params) || Params <- Odd, Hook <- [sm_register_connection, remove_user]],
Start(),
[acc = gen_hook:run(Hooks, Hook, acc, Params) || Params <- Odd, Hook <- [sm_register_connection, remove_user]],
[{ok, acc} = M:Hook(acc, Params, Extra) || Params <- Odd, Extra <- [#{}, #{host_type => <<"other">>}], Hook <- [sm_register_connection, remove_user]],
ok = M:stop(T),
ok = M:stop(T)""")
    assert "canary" not in output


def test_a_removed_user_is_forgotten(erl):
    erl("""
Start(),
ok = Register(ok, <<"juliet">>, <<"gajim">>, #{}),
acc = gen_hook:run(Hooks, remove_user, acc, #{jid => jid:make(<<"juliet">>, <<"example.net">>, <<>>)}),
ok = Register(ok, <<"juliet">>, <<"gajim">>, #{}),
ok = M:stop(T),
[{<<"client-DESKTOP">>, 2}, _] = Rows()""")


def test_a_handler_may_stop_the_others(erl):
    """That ours lets them go on is no matter of the stub."""
    erl("""
Stop = {remove_user, T, fun(_, _, _) -> {stop, stopped} end, #{}, 10},
stopped = gen_hook:run([Stop | Hooks], remove_user, acc, #{}),
acc = gen_hook:run(Hooks, remove_user, acc, #{})""")


def test_a_database_that_hangs_does_not_keep_the_server_from_starting(erl, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "settings.toml").write_text(f"store = 'memory:'\ngeoip = '{tmp_path}/pipe'\n")
    erl("""
ok = M:start(T, #{settings => Settings}),
ok = Register(ok, <<"juliet">>, <<"gajim">>, #{}),
none = monthly_visitors_host:counter(T),
ok = M:stop(T)""")


def test_a_process_that_crashes_comes_back_and_counts_meanwhile(erl):
    erl("""
Start(),
Process = whereis(monthly_visitors_type),
exit(Process, kill),
ok = Register(ok, <<"juliet">>, <<"gajim">>, #{}),
ok = Wait(fun() -> lists:member(whereis(monthly_visitors_type), [Process, undefined]) == false end, 500),
ok = Register(ok, <<"romeo">>, <<"gajim">>, #{}),
ok = M:stop(T),
[{<<"client-DESKTOP">>, 2}, _] = Rows()""")


def test_what_is_wrong_is_logged_and_the_server_starts(erl):
    output = erl("""
ok = M:start(T, #{settings => "/nowhere/settings.toml"}),
ok = Wait(fun() -> re:run(monthly_visitors_host:status(T), "nowhere") /= nomatch end, 500),
ok = Register(ok, <<"juliet">>, <<"gajim">>, #{}),
ok = M:stop(T)""")
    assert "/nowhere/settings.toml" in output


def test_its_options_and_hooks_are_those_of_mongooseim(erl):
    erl("""
{section, #{<<"settings">> := {option, string, non_empty}}, [<<"settings">>]} = M:config_spec(),
[dynamic_domains] = M:supported_features(),
[{remove_user, T, _, #{}, _}, {sm_register_connection, T, _, #{}, _}] = lists:sort(Hooks)""")
