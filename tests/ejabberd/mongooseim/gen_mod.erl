%%% A stub of MongooseIM's behaviour.
-module(gen_mod).

-callback start(HostType :: binary(), Opts :: map()) -> any().
-callback stop(HostType :: binary()) -> any().
-callback hooks(HostType :: binary()) -> [gen_hook:hook_tuple()].
-callback config_spec() -> term().
-callback supported_features() -> [atom()].
-optional_callbacks([hooks/1, config_spec/0, supported_features/0]).
