%% A stub of MongooseIM's records.
-record(section, {items = #{}, required = []}).
-record(option, {type, validate = any}).
