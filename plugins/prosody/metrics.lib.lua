-- Metrics for mod_http_openmetrics: how the counter is, and totals that are
-- final. A number that moves with a single login would be a public list of
-- logins, so there is none: what is healthy is 0, and what waits is shown in
-- thousands.
local DAY = 24 * 60 * 60;
-- How often the totals are read, in seconds: they change once a month.
local READ = 60 * 60;

-- The first month that may still count somebody, as far as the clock tells.
local function open_month(now)
	return os.date("!%Y-%m", now - DAY);
end

-- `get` returns the library, the counter, and since when its store has not been
-- written although it should; nil for each that there is not. Returns a function
-- that shows them, and one that has the totals read anew.
return function (get)
	local recording = module:metric("gauge", "recording", "", "1 while visitors are counted", {});
	local failing = module:metric("gauge", "failing", "", "1 while the store is not written although it should", {});
	local pending = module:metric("gauge", "pending", "",
		"Visits that wait for the store, in full thousands", {});
	local unwritten = module:metric("gauge", "unwritten", "seconds",
		"For how long the store has not been written although it should; 0 when all is well", {});
	local built = module:metric("gauge", "database_built", "seconds",
		"When the database was built, in Unix time", { "database" });
	local users = module:metric("gauge", "users", "", "Users of a month that is over", { "month" });

	local shown, read_at = {}, nil;

	local function show_totals(visitors, counter, now)
		if read_at and now >= read_at and now < read_at + READ then return; end
		local rows = visitors.rows(counter);
		if not rows then return; end
		read_at = now;
		local before, sums = open_month(now), {};
		for _, row in ipairs(rows) do
			local month, key, count = row[1], row[2], row[3];
			if month < before and key:sub(1, 4) == "geo-" then
				sums[month] = (sums[month] or 0) + count;
			end
		end
		for month in pairs(shown) do
			sums[month] = sums[month] or 0; -- deleted: Prosody cannot take a label back
		end
		for month, sum in pairs(sums) do
			users:with_labels(month):set(sum);
		end
		shown = sums;
	end

	local function show(now)
		local visitors, counter, since = get();
		local function health(name)
			return counter and visitors.health(counter, name) or 0;
		end
		recording:with_labels():set(counter and 1 or 0);
		failing:with_labels():set(since and 1 or 0);
		unwritten:with_labels():set(since and math.max(now - since, 0) or 0);
		local waiting = health("pending");
		pending:with_labels():set(math.floor(waiting / 1000) * 1000);
		built:with_labels("geoip"):set(health("geoip_built"));
		built:with_labels("asn"):set(health("asn_built"));
		-- Reading them must not wait for a store that fails or hangs.
		if counter and not since and waiting == 0 then
			show_totals(visitors, counter, now);
		end
	end
	return show, function () read_at = nil; end;
end;
