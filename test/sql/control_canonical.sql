-- nurture_canonical: RFC 8785. The documents of its authors and 100,000 numbers
-- are tested in test/unit/jcs_test.c; here what jsonb brings along.
BEGIN;
SELECT plan(19);
SELECT is(nurture_canonical('{"numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001], "literals": [null, true, false], "string": "\u20ac$\u000F\u000aA''\u0042\u0022\u005c\\\"\/"}'),
    '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA''B\"\\\\\"/"}', 'the example of the standard');
SELECT is(nurture_canonical('{"\u20ac": "Euro Sign", "\r": "Carriage Return", "\ufb33": "Hebrew Letter Dalet With Dagesh", "1": "One", "\ud83d\ude00": "Emoji: Grinning Face", "\u0080": "Control", "\u00f6": "Latin Small Letter O With Diaeresis"}'),
    E'{"\\r":"Carriage Return","1":"One","\u0080":"Control","ö":"Latin Small Letter O With Diaeresis","€":"Euro Sign","😀":"Emoji: Grinning Face","\uFB33":"Hebrew Letter Dalet With Dagesh"}',
    'names in the order of UTF-16: surrogates before U+E000');
SELECT is(nurture_canonical('[56, {"d": true, "10": null, "1": []}]'), '[56,{"1":[],"10":null,"d":true}]', 'objects in arrays');
SELECT is(nurture_canonical('{"1": {"f": {"f": "hi", "F": 5}, "\n": 56.0}, "10": {}, "": "empty", "a": {}, "111": [{"e": "yes", "E": "no"}], "A": {}}'),
    '{"":"empty","1":{"\n":56,"f":{"F":5,"f":"hi"}},"10":{},"111":[{"E":"no","e":"yes"}],"A":{},"a":{}}', 'objects in objects');
SELECT is(nurture_canonical('{"b": 1, "a": 2}'), nurture_canonical('{"a":2,"b":1}'), 'one text for one document');
SELECT is(nurture_canonical(j), t, j::text) FROM (VALUES ('1'::jsonb, '1'), ('-0.0', '0'), ('"x"', '"x"'), ('null', 'null'), ('[]', '[]'), ('{}', '{}'),
    ('9007199254740993', '9007199254740992'), ('100000000000000000000000', '1e+23')) v (j, t);
SELECT is(nurture_canonical(nurture_canonical('{"a":[1.50,{"z":1e5,"b":"ü"}]}')::jsonb), nurture_canonical('{"a":[1.50,{"z":1e5,"b":"ü"}]}'), 'canonical text stays as it is');
SELECT is(nurture_canonical('1e-400'), '0', 'what is too small is 0, as in ECMAScript');
SELECT throws_ok($$SELECT nurture_canonical('{"a": {"b/c": [0, 1e400]}}')$$, '22003', 'a number at /a/b~1c/1 is beyond the range of double precision', 'what is too large is named by its path');
SELECT throws_ok($$SELECT nurture_canonical('-1e309')$$, '22003', 'a number is beyond the range of double precision', 'also alone');
SELECT is(nurture_canonical(NULL), NULL, 'nothing of nothing');
SELECT results_eq($$SELECT nurture_canonical(('[' || string_agg(n::text, ',' ORDER BY i) || ']')::jsonb) FROM (SELECT i, ((i * 7919) % 1000000000)::numeric / 100 AS n FROM generate_series(1, 500) i) x$$,
    $$SELECT '[' || string_agg(trim_scale(((i * 7919) % 1000000000)::numeric / 100)::text, ',' ORDER BY i) || ']' FROM generate_series(1, 500) i$$, 'numeric(9,2) keeps every digit');
SELECT * FROM finish();
ROLLBACK;
