-- Loads the Lua module monthly_visitors, wherever it was installed.

-- All folders where its parts may be: beside the plugin, and where
-- `prosodyctl install` puts them, which Prosody leaves out for C modules.
local function extended_paths()
	local lua, c = {}, {};
	local beside = module.path and module.path:match("^(.*)/[^/]*$");
	local version = _VERSION:match("5%.%d");
	if beside then
		lua[#lua + 1], c[#c + 1] = beside .. "/?.lua", beside .. "/?.so";
	end
	local installer = prosody.paths.installer;
	if installer then
		lua[#lua + 1] = ("%s/share/lua/%s/?.lua"):format(installer, version);
		c[#c + 1] = ("%s/lib/lua/%s/?.so"):format(installer, version);
	end
	lua[#lua + 1], c[#c + 1] = package.path, package.cpath;
	return table.concat(lua, ";"), table.concat(c, ";");
end

-- Returns the Lua module; nil and a reason when it cannot be loaded. Without
-- require, which in Prosody leaves something behind when it fails.
return function ()
	local found = package.loaded.monthly_visitors;
	if type(found) == "table" then return found; end
	local path, cpath = package.path, package.cpath;
	local reason = "monthly_visitors.lua is not installed";
	package.path, package.cpath = extended_paths();
	for template in package.path:gmatch("[^;]+") do
		local name = template:gsub("%?", "monthly_visitors");
		local file = io.open(name);
		if file then
			file:close();
			local chunk, ok;
			chunk, reason = loadfile(name);
			if chunk then
				ok, found = pcall(chunk, "monthly_visitors");
				if ok then
					package.loaded.monthly_visitors = found;
				else
					reason = found;
				end
			end
			break;
		end
	end
	package.path, package.cpath = path, cpath;
	if reason then return nil, "cannot load the library: " .. tostring(reason); end
	return found;
end;
