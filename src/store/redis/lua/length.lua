-- How many messages of a channel are kept.

-- The rules as they were compiled last, and their text.
local compiled_rules, compiled_text = {}, ''

-- The rules are `sticker:*=1 room:*=500`; the first whose pattern fits decides. The JavaScript side is retentionOf in store/settings.ts.
local function length_for(clock, channel)
  if clock.rules ~= compiled_text then
    compiled_rules, compiled_text = {}, clock.rules
    for glob, length in string.gmatch(clock.rules, '(%S+)=(%d+)') do
      compiled_rules[#compiled_rules + 1] = { steps = compile_glob(glob), length = setting(length, 1000000, clock.length) }
    end
  end
  for _, rule in ipairs(compiled_rules) do
    if fits_glob(rule.steps, channel) then
      return rule.length
    end
  end
  return clock.length
end
