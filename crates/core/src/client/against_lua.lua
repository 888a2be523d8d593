-- Answers what Lua does with the pairs of pattern and subject on each line.
--
-- A line is fields in hexadecimal, each ended by a comma: pattern, subject,
-- pattern, subject, ... The answer is for the first pair that Lua refuses, or
-- else for the first pair:
--
--     NUMBER refused MESSAGE
--     NUMBER no match
--     NUMBER match FIRST LAST CAPTURE ...
--
-- NUMBER counts pairs from 0. A capture is "text:" and hexadecimal, or "at:"
-- and a position.

local function bytes(hex)
  return (hex:gsub("%x%x", function (digits) return string.char(tonumber(digits, 16)); end));
end

local function hex(text)
  return (text:gsub(".", function (byte) return string.format("%02x", byte:byte()); end));
end

local function shown(capture)
  if math.type(capture) == "integer" then
    return "at:" .. capture;
  end
  return "text:" .. hex(capture);
end

local function try(pattern, subject)
  local captures = table.pack(pcall(string.match, subject, pattern));
  if not captures[1] then
    return "refused " .. captures[2], true;
  elseif captures[2] == nil then
    return "no match";
  end
  local first, last = string.find(subject, pattern);
  local answer = { "match", first, last };
  for index = 2, captures.n do
    answer[#answer + 1] = shown(captures[index]);
  end
  return table.concat(answer, " ");
end

for line in io.lines() do
  local fields = {};
  for field in line:gmatch("([^,]*),") do
    fields[#fields + 1] = bytes(field);
  end
  local answer;
  for index = 1, #fields, 2 do
    local result, refused = try(fields[index], fields[index + 1]);
    if refused or not answer then
      answer = (index - 1) // 2 .. " " .. result;
    end
    if refused then
      break;
    end
  end
  print(answer);
end
