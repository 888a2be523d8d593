-- Metrics for mod_http_openmetrics: how the counter is, and totals that are
-- final. A number that moves with a single login would be a public list of
-- logins, so there is none: what is healthy is 0, and what waits is shown in
-- thousands.
local DAY = 24 * 60 * 60;

-- The first month that may still count somebody, as far as the clock tells.
local function open_month(now)
	return os.date("!%Y-%m", now - DAY);
end

-- `visitors` and `counter` are nil while there is none.
return function (visitors, get_counter)
	local recording = module:metric("gauge", "recording", "", "1 while visitors are counted", {});
	local failing = module:metric("gauge", "failing", "", "1 while the store cannot be written", {});
	local pending = module:metric("gauge", "pending", "",
		"Visits that wait for the store, in full thousands", {});
	local unwritten = module:metric("gauge", "unwritten", "seconds",
		"For how long the store has not been written although it should; 0 when all is well", {});
	local built = module:metric("gauge", "database_built", "seconds",
		"When the database was built, in Unix time", { "database" });
	local users = module:metric("gauge", "users", "", "Users of a month that is over", { "month" });

	local shown_before;

	-- Reading all totals takes a while, and they change once a month.
	local function show_totals(counter, now)
		local before = open_month(now);
		if before == shown_before then return; end
		local rows = visitors.rows(counter);
		if not rows then return; end
		local sums = {};
		for _, row in ipairs(rows) do
			local month, key, count = row[1], row[2], row[3];
			if month < before and key:sub(1, 4) == "geo-" then
				sums[month] = (sums[month] or 0) + count;
			end
		end
		for month, sum in pairs(sums) do
			users:with_labels(month):set(sum);
		end
		shown_before = before;
	end

	return function (now)
		local counter = get_counter();
		recording:with_labels():set(counter and 1 or 0);
		if not counter then return; end
		local function health(name)
			return visitors.health(counter, name) or 0;
		end
		local fails = health("failing");
		local last = health("last_flush");
		failing:with_labels():set(fails);
		pending:with_labels():set(math.floor(health("pending") / 1000) * 1000);
		unwritten:with_labels():set(fails == 1 and last > 0 and math.max(now - last, 0) or 0);
		built:with_labels("geoip"):set(health("geoip_built"));
		built:with_labels("asn"):set(health("asn_built"));
		show_totals(counter, now);
	end;
end;
