-- The same patterns as Lua matches them, one by one: PATTERNS RESOURCES [hostile]
local function lines(path)
  local list = {};
  for line in io.lines(path) do
    list[#list + 1] = line;
  end
  return list;
end

local patterns, resources, find = lines(arg[1]), lines(arg[2]), string.find;

local function classify(resource)
  for number = 1, #patterns do
    if find(resource, patterns[number]) then
      return number;
    end
  end
  return 0;
end

local function all(times)
  local sum = 0;
  for _ = 1, times do
    for number = 1, #resources do
      sum = sum + classify(resources[number]);
    end
  end
  return sum;
end

local sum = all(20); -- warms up
local start = os.clock();
all(200);
print(("classify %.6g"):format((os.clock() - start) / 200 / #resources * 1e9));
print(("sum %d"):format(sum / 20));
if arg[3] then
  start = os.clock();
  find(("a"):rep(1023), "a*a*b");
  print(("hostile %.6g"):format((os.clock() - start) * 1e6));
end
