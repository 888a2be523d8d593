%%% What a session of an Erlang chat server says about a login: shared by the
%%% modules for ejabberd and MongooseIM.
-module(monthly_visitors_login).

-export([record/5, address/1]).

%% Counts a login of a user, whose name is normalised, with what the server
%% keeps about the session. SASL ANONYMOUS makes a new user each time: they are
%% nobody that could be counted. Raises nothing, whatever the session is.
-spec record(monthly_visitors_nif:counter(), User :: binary(),
             Resource :: binary(), Info :: list() | map(), now | integer()) ->
          ok | ignored | {error, monthly_visitors_nif:reason() | crash}.
record(Counter, User, Resource, Info, Time) ->
    try
        case is_anonymous(value(auth_module, Info)) of
            true ->
                ignored;
            false ->
                Address = address(value(ip, Info)),
                monthly_visitors_nif:record(Counter, User, Address, Resource, Time)
        end
    catch
        %% What is caught may contain the user and the address.
        _:_ -> {error, crash}
    end.

is_anonymous(anonymous) -> true;
is_anonymous(ejabberd_auth_anonymous) -> true;
is_anonymous(_) -> false.

value(Key, Info) when is_map(Info) ->
    maps:get(Key, Info, undefined);
value(Key, Info) when is_list(Info) ->
    proplists:get_value(Key, Info);
value(_, _) ->
    undefined.

%% The address of a connection as text, which the library reads in any form. A
%% unix socket is {local, _}, and has none.
-spec address(term()) -> binary() | undefined.
address({Address, _Port}) when is_tuple(Address) ->
    case inet:ntoa(Address) of
        {error, _} -> undefined;
        Text -> list_to_binary(Text)
    end;
address(_) ->
    undefined.
