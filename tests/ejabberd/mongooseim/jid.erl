%%% A stub of MongooseIM's JIDs, which are kept normalised.
-module(jid).

-export([make/3, to_lower/1]).

-record(jid, {luser, lserver, lresource}).

make(User, Server, Resource) ->
    #jid{luser = string:lowercase(User), lserver = string:lowercase(Server), lresource = Resource}.

to_lower(#jid{luser = User, lserver = Server, lresource = Resource}) ->
    {User, Server, Resource}.
