-- What an administrator can ask for, in prosodyctl and in the Prosody shell.
--
-- Each command gets a host: a table with `name`, `settings` (of its options)
-- and, in the running server, `counter` and `purged`, a function to be called
-- when totals were deleted. It returns true and a text when it is
-- done, false and a text when it found nothing; on trouble nil, a message and
-- the status of the library, if it comes from there.
local options = module:require "options";

-- How long the running server waits for its store before a command begins, and
-- how long a process of its own waits, in milliseconds.
local PATIENCE, LONG_PATIENCE = 2000, 60000;

local function counted(number, word)
	return ("%d %s%s"):format(number, word, number == 1 and "" or "s");
end

return function (visitors)
	local commands = {};

	-- A counter that is open for as long as `action` takes.
	local function with_new_counter(settings, action)
		local config, reason, code = visitors.configure(settings);
		if not config then return nil, reason, code; end
		local counter = visitors.counter();
		local ok;
		ok, reason, code = visitors.open(counter, config);
		if not ok then return nil, reason, code; end
		local done, text, why = action(counter);
		ok, reason, code = visitors.close(counter);
		if not ok then return nil, reason, code; end
		return done, text, why;
	end

	-- The settings that a store needs, without what only counting does.
	local function store_alone(host, url)
		return {
			store = url;
			host = host.name;
			secret_file = host.settings.secret_file;
			key_dir = host.settings.key_dir;
		};
	end

	-- The server's own counter, or a new one. Where nothing was recorded yet there
	-- is no store: one without anything answers the same.
	local function with_counter(host, read_only, action)
		if host.counter then
			-- A store that hangs must not hold up the whole server.
			local ok, reason, code = visitors.flush(host.counter, PATIENCE);
			if not ok and code == visitors.ERR_TIMEOUT then return nil, reason, code; end
			return action(host.counter);
		end
		local settings = options.missing_folder(host.settings) and { store = "memory:", host = host.name }
			or store_alone(host, host.settings.store);
		settings.read_only = read_only;
		return with_new_counter(settings, action);
	end

	-- The months that a counter has totals of: sorted, and as a set.
	local function months_of(counter)
		local rows, reason, code = visitors.rows(counter);
		if not rows then return nil, reason, code; end
		local months, found = {}, {};
		for _, row in ipairs(rows) do
			if not found[row[1]] then
				found[row[1]] = true;
				months[#months + 1] = row[1];
			end
		end
		return months, found;
	end

	function commands.report(host, first, last, format)
		return with_counter(host, true, function (counter)
			local rows, reason, code = visitors.rows(counter, first, last);
			if not rows then return nil, reason, code; end
			local text;
			text, reason, code = visitors.text(counter, format or "table", first, last);
			if not text then return nil, reason, code; end
			return #rows > 0, (text:gsub("\n$", ""));
		end);
	end

	function commands.purge(host, before)
		if type(before) ~= "string" then return nil, "Say the first month that stays, such as 2026-01"; end
		return with_counter(host, nil, function (counter)
			local months, reason, code = months_of(counter);
			if not months then return nil, reason, code; end
			local ok;
			ok, reason, code = visitors.purge(counter, before);
			if not ok then return nil, reason, code; end
			local left, still_there;
			left, still_there, code = months_of(counter);
			if not left then return nil, still_there, code; end
			local gone = {};
			for _, month in ipairs(months) do
				if not still_there[month] then
					gone[#gone + 1] = month;
				end
			end
			if #gone == 0 then return false, "nothing to delete"; end
			if host.purged then host.purged(); end
			return true, "deleted: " .. table.concat(gone, ", ");
		end);
	end

	-- Says nothing of whether the user was ever here.
	function commands.forget(host, username)
		local function forget(counter)
			local ok, reason, code = visitors.forget(counter, username);
			if not ok then return nil, reason, code; end
			ok, reason, code = visitors.flush(counter, host.counter and PATIENCE or LONG_PATIENCE);
			if ok then return true, "forgotten"; end
			if host.counter then
				reason = "Not yet, but as soon as the store can be written: " .. reason;
			end
			return nil, reason, code;
		end
		if host.counter then return forget(host.counter); end
		return with_counter(host, nil, forget);
	end

	function commands.copy(host, to, from)
		if type(to) ~= "string" or not to:find(":", 1, true) then
			return nil, "Say a host of this server, if any, and the store to copy into, such as sealed:/var/lib/prosody/visitors";
		end
		if host.counter and not from then
			local ok, reason, code = visitors.flush(host.counter, PATIENCE);
			if not ok then return nil, reason, code; end
		end
		local source = store_alone(host, from and options.store_of(from, host.name) or host.settings.store);
		local target = store_alone(host, options.store_of(to, host.name));
		options.make_folders(target);
		local configs = {};
		for i, settings in ipairs { source, target } do
			local config, reason, code = visitors.configure(settings);
			if not config then return nil, reason, code; end
			configs[i] = config;
		end
		local ok, reason, code = visitors.copy(configs[1], configs[2]);
		if ok then return true, "copied into " .. options.shown(target); end
		-- What could be copied is.
		target.read_only = true;
		local months = with_new_counter(target, months_of);
		if months and #months > 0 then
			reason = ("%s\n%s now has: %s"):format(reason, options.shown(target), table.concat(months, ", "));
		end
		return nil, reason, code;
	end

	-- One line for each thing that can be wrong on its own. In the running
	-- server, `trouble` is why the options are not in force.
	function commands.check(host)
		local lines, wrong = {}, false;
		local function say(name, reason, good)
			wrong = wrong or reason ~= nil;
			-- What the message begins with is said already.
			local text = reason and (reason:sub(1, #name + 2) == name .. ": " and reason:sub(#name + 3) or reason) or good;
			lines[#lines + 1] = ("%-5s %s: %s"):format(reason and "WRONG" or "ok", name, text);
		end
		-- Opens a counter with some of the settings; `look` returns what is good.
		local function try(name, settings, look)
			local good, reason = with_new_counter(settings, look);
			say(name, not good and reason or nil, good);
		end
		local settings = host.settings;

		for _, name in ipairs { "geoip", "asn" } do
			if settings[name] then
				try(name, { store = "memory:", [name] = settings[name] }, function (counter)
					return settings[name] .. ", built on " .. os.date("!%Y-%m-%d", visitors.health(counter, name .. "_built"));
				end);
			else
				say(name, nil, "not set: " .. (name == "geoip" and "every place counts as unknown" or "networks are not counted"));
			end
		end
		try("client_patterns",
			{ store = "memory:", client = settings.client, pattern_syntax = settings.pattern_syntax }, function ()
				return counted(#(settings.client or {}), "pattern");
			end);
		local store = store_alone(host, settings.store);
		store.read_only = true;
		if options.missing_folder(settings) then
			say("store", nil, options.shown(settings) .. ", nothing recorded yet");
		else
			try("store", store, function (counter)
				local months, reason = months_of(counter);
				if not months then return nil, reason; end
				return ("%s, %s%s"):format(options.shown(settings), counted(#months, "month"),
					#months > 0 and ", " .. months[1] .. " to " .. months[#months] or "");
			end);
		end
		for _, name in ipairs { "record_countries", "retention_months", "flush_interval", "pending_limit" } do
			local value = settings[name];
			if value ~= nil then
				local _, reason = visitors.configure { [name] = value };
				if name == "record_countries" and not (reason or settings.geoip) then
					_, reason = with_new_counter({ store = "memory:", [name] = value }, function () return true; end);
				end
				say(name, reason, type(value) == "table" and table.concat(value, ", ") or tostring(value));
			end
		end
		for _, option in ipairs(options.unknown(host.name)) do
			say(option, "there is no such option");
		end
		if host.trouble then
			say("server", (host.counter and "the options before are in force: " or "visitors are not counted: ") .. host.trouble);
		end
		return not wrong or nil, table.concat(lines, "\n");
	end

	return commands;
end;
