-- What an administrator can ask for, in prosodyctl and in the Prosody shell.
--
-- Each command gets a host: a table with `name`, `settings` (of its options)
-- and, in the running server, `counter`. It returns true and a text when it is
-- done, false and a text when it found nothing, nil and a message on trouble.
local options = module:require "options";

-- How long a command waits for the store, in milliseconds.
local PATIENCE = 10000;

local function counted(number, word)
	return ("%d %s%s"):format(number, word, number == 1 and "" or "s");
end

return function (visitors)
	local commands = {};

	-- A counter for the host: the server's own, or one that is open for as long
	-- as it takes.
	local function with_counter(host, read_only, action)
		if host.counter then
			return action(host.counter);
		end
		local settings = { read_only = read_only };
		for name, value in pairs(host.settings) do
			settings[name] = value;
		end
		if read_only then
			settings.geoip, settings.asn = nil, nil; -- not needed, and large
		end
		local config, reason = visitors.configure(settings);
		if not config then return nil, reason; end
		local counter = visitors.counter();
		local ok;
		ok, reason = visitors.open(counter, config);
		if not ok then return nil, reason; end
		local done, text = action(counter);
		ok, reason = visitors.close(counter);
		if not ok then return nil, reason; end
		return done, text;
	end

	function commands.report(host, first, last, format)
		return with_counter(host, true, function (counter)
			local rows, reason = visitors.rows(counter, first, last);
			if not rows then return nil, reason; end
			local text;
			text, reason = visitors.text(counter, format or "table", first, last);
			if not text then return nil, reason; end
			return #rows > 0, (text:gsub("\n$", ""));
		end);
	end

	local function months_of(counter)
		local months, found = {}, {};
		for _, row in ipairs(visitors.rows(counter) or {}) do
			if not found[row[1]] then
				found[row[1]] = true;
				months[#months + 1] = row[1];
			end
		end
		return months, found;
	end

	function commands.purge(host, before)
		if type(before) ~= "string" then return nil, "say the first month that stays, such as 2026-01"; end
		return with_counter(host, nil, function (counter)
			local months = months_of(counter);
			local ok, reason = visitors.purge(counter, before);
			if not ok then return nil, reason; end
			local _, left = months_of(counter);
			local gone = {};
			for _, month in ipairs(months) do
				if not left[month] then
					gone[#gone + 1] = month;
				end
			end
			if #gone == 0 then return false, "nothing to delete"; end
			return true, "deleted: " .. table.concat(gone, ", ");
		end);
	end

	-- Says nothing of whether the user was ever here.
	function commands.forget(host, username)
		return with_counter(host, nil, function (counter)
			local ok, reason = visitors.forget(counter, username);
			if not ok then return nil, reason; end
			return true, "forgotten";
		end);
	end

	function commands.copy(host, to, from)
		if type(to) ~= "string" then return nil, "say the store to copy into, such as sealed:/var/lib/prosody/visitors"; end
		if host.counter and not from then
			local ok, reason = visitors.flush(host.counter, PATIENCE);
			if not ok then return nil, reason; end
		end
		local configs = {};
		local urls = { from and options.store_of(from, host.name) or host.settings.store, options.store_of(to, host.name) };
		for i, url in ipairs(urls) do
			local settings = {
				store = url;
				host = host.name;
				secret_file = host.settings.secret_file;
				key_dir = host.settings.key_dir;
			};
			if i == 2 then
				options.make_folders(settings);
			end
			local config, reason = visitors.configure(settings);
			if not config then return nil, reason; end
			configs[i] = config;
		end
		local ok, reason = visitors.copy(configs[1], configs[2]);
		if not ok then return nil, reason; end
		return true, "copied into " .. options.shown { store = urls[2] };
	end

	-- One line for each thing that can be wrong on its own.
	function commands.check(host)
		local lines, wrong = {}, false;
		local function say(name, reason, good)
			wrong = wrong or reason ~= nil;
			lines[#lines + 1] = ("%-5s %s: %s"):format(reason and "WRONG" or "ok", name, reason or good);
		end
		local function try(settings, look)
			local config, reason = visitors.configure(settings);
			if not config then return reason; end
			local counter = visitors.counter();
			local ok;
			ok, reason = visitors.open(counter, config);
			if not ok then return reason; end
			return nil, look(counter);
		end
		local settings = host.settings;

		local function built(name)
			return function (counter)
				return settings[name] .. ", built on " .. os.date("!%Y-%m-%d", visitors.health(counter, name .. "_built"));
			end;
		end
		for _, database in ipairs { "geoip", "asn" } do
			if settings[database] then
				say(database, try({ store = "memory:", [database] = settings[database] }, built(database)));
			else
				say(database, nil, database == "geoip" and "not set: every place counts as unknown"
					or "not set: networks are not counted");
			end
		end
		say("client_patterns",
			try({ store = "memory:", client = settings.client, pattern_syntax = settings.pattern_syntax }, function ()
				return counted(#(settings.client or {}), "pattern");
			end));
		say("store", try({
			store = settings.store, host = settings.host, secret_file = settings.secret_file, key_dir = settings.key_dir,
			read_only = true,
		}, function (counter)
			local months = months_of(counter);
			return ("%s, %s%s"):format(options.shown(settings), counted(#months, "month"),
				#months > 0 and ", " .. months[1] .. " to " .. months[#months] or "");
		end));
		for _, name in ipairs { "record_countries", "retention_months", "flush_interval", "pending_limit" } do
			if settings[name] ~= nil then
				local _, reason = visitors.configure { [name] = settings[name] };
				say(name, reason, tostring(type(settings[name]) == "table" and table.concat(settings[name], ", ")
					or settings[name]));
			end
		end
		for _, option in ipairs(options.unknown(host.name)) do
			say(option, "there is no such option");
		end
		if wrong then return nil, table.concat(lines, "\n"); end
		return true, table.concat(lines, "\n");
	end

	return commands;
end;
