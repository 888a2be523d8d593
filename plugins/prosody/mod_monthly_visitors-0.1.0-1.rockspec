rockspec_format = "3.0"
package = "mod_monthly_visitors"
version = "0.1.0-1"
source = {
	-- Made from a source tree: luarocks make --pack-binary-rock, see docs/prosody.md.
	url = "file://mod_monthly_visitors-0.1.0.tar.gz";
}
description = {
	summary = "Counts the monthly users of a Prosody server by place and client";
	license = "MIT OR Apache-2.0";
}
dependencies = { "lua >= 5.1, < 5.5" }
external_dependencies = {
	MONTHLY_VISITORS = { header = "monthly_visitors.h"; library = "monthly_visitors" };
}
build = {
	type = "builtin";
	modules = {
		mod_monthly_visitors = "mod_monthly_visitors.lua";
		["mod_monthly_visitors.commands"] = "commands.lib.lua";
		["mod_monthly_visitors.library"] = "library.lib.lua";
		["mod_monthly_visitors.metrics"] = "metrics.lib.lua";
		["mod_monthly_visitors.options"] = "options.lib.lua";
		["mod_monthly_visitors.prosodyctl"] = "prosodyctl.lib.lua";
		["mod_monthly_visitors.shell"] = "shell.lib.lua";
		["mod_monthly_visitors.sweep"] = "sweep.lib.lua";
		["mod_monthly_visitors.watch"] = "watch.lib.lua";
		monthly_visitors = "monthly_visitors.lua";
		monthly_visitors_ffi = "monthly_visitors_ffi.lua";
		lmonthly_visitors = {
			sources = { "lmonthly_visitors.c" };
			libraries = { "monthly_visitors" };
			incdirs = { "$(MONTHLY_VISITORS_INCDIR)" };
			libdirs = { "$(MONTHLY_VISITORS_LIBDIR)" };
		};
	};
}
