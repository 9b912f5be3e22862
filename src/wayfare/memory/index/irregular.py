"""English words whose forms no rule of endings joins: went is `go`, children are `child`.

A question asks "when did she go, buy, take", the memory says "went, bought, took": without this table they share no
word. It is read before Porter's stemming, by the whole word (`ate` would be stemmed to `at`, `range` to `rang`). Forms
that are as often another word (bit, bore, bound, ground, lay, lives, rose, wound) are left out.
"""

from __future__ import annotations

from wayfare.memory.index.stems import stem

__all__ = ["IRREGULAR"]

FORMS = """
arise arose arisen, awake awoke awoken, be am are is was were been, beat beaten, become became, begin began begun,
bend bent, bite bitten, bleed bled, blow blew blown, break broke broken, breed bred, bring brought, build built,
buy bought, catch caught, choose chose chosen, cling clung, come came, creep crept, deal dealt, dig dug,
do did does done, draw drew drawn, drink drank drunk, drive drove driven, eat ate eaten, fall fell fallen, feed fed,
feel felt, fight fought, find found, flee fled, fly flew flown, forbid forbade forbidden, forget forgot forgotten,
forgive forgave forgiven, freeze froze frozen, get got gotten, give gave given, go goes went gone, grow grew grown,
hang hung, have had has, hear heard, hide hid hidden, hold held, keep kept, know knew known, lead led, leave left,
lend lent, lose lost, make made, mean meant, meet met, mistake mistook mistaken, overcome overcame, pay paid,
ride rode ridden, ring rang rung, rise risen, run ran, see saw seen, seek sought, sell sold, send sent,
shake shook shaken, shoot shot shots, show shown, shrink shrank shrunk, sing sang sung, sink sank sunk, sit sat,
sleep slept, slide slid, speak spoke spoken, speed sped, spend spent, spin spun, stand stood, steal stole stolen,
stick stuck, sting stung, strike struck, strive strove, swear swore sworn, sweep swept, swim swam swum, swing swung,
take took taken, teach taught, tear tore torn, tell told, think thought thoughts, throw threw thrown,
understand understood, undertake undertook undertaken, wake woke woken, wear wore worn, weave wove woven, weep wept,
win won, withdraw withdrew withdrawn, write wrote written,
child children, foot feet, goose geese, man men, mouse mice, person people, tooth teeth, wife wives, woman women
"""
IRREGULAR: dict[str, str] = {
    form: stem(words[0]) for words in (line.split() for line in FORMS.split(",")) for form in words[1:]
}
"""Form -> stem of the word that it is a form of."""
