"""Words of German, French, Spanish and Italian that requests are made of, each with the English one that rules read.

Folded (no accents, `ß` is `s`). A word that means nothing to a request stands for nothing; names of people and titles
are not here and stay as they are.
"""

# ruff: noqa: E501, SIM905 - tables read better unbroken
from __future__ import annotations

from typing import NamedTuple


class Language(NamedTuple):
    """What is known of a language.

    Attributes:
        name: in English.
        phrases: (pattern of folded text, English), first to last, before words.
        words: word -> English; empty for nothing.
        telling: words that English doesn't have, by which the language is known.
    """

    name: str
    phrases: tuple[tuple[str, str], ...]
    words: dict[str, str]
    telling: frozenset[str]


SMALL = frozenset("la le les el los las lo un une de du des del di il est es que en".split())
"""Words that speak for a language only beside others."""


def _words(table: str) -> dict[str, str]:
    """`a b=english, c=other` to a dictionary."""
    found: dict[str, str] = {}
    for entry in table.replace("\n", " ").split(","):
        own, _, english = entry.partition("=")
        found |= dict.fromkeys(own.split(), english.strip())
    return found


_SHARED_WITH_ENGLISH = frozenset(
    "a an am as die in man so was war will bin on me the no son come par or once comment pour tout plus hay van per dire fine un mi documentary western action drama horror musical film films thriller fantasy animation romance crime romantic comic family religion adventure comedies dramas musicals thrillers romances animated recent long court maximum minimum minute minutes sur sous grand media si sin y me china argentina china japan england france aventure suspense ora dal ma tu solo sole im yo al da familiar ore mas el la le los las un de du des est si que es en al del lo per di il".split()
)

_GERMAN = _words("""
komodie komodien=comedy, lustig lustiges lustige lustigen witzig witziges witzige=funny, drama dramen=drama,
liebesfilm liebesfilme romanze romanzen=romance, romantisch romantische romantischer romantisches romantischen=romantic, gruselfilm horrorfilm horrorfilme gruselig gruseliges gruselige=horror,
krimi krimis kriminalfilm=crime, actionfilm actionfilme=action, abenteuer abenteuerfilm abenteuerfilme=adventure, zeichentrick zeichentrickfilm zeichentrickfilme trickfilm=animation,
dokumentarfilm dokumentarfilme doku dokus=documentary, kriegsfilm kriegsfilme krieg=war, westernfilm=western, musikfilm=musical, science-fiction-film=science fiction, fantasyfilm=fantasy,
spannend spannendes spannende spannender spannenden=suspenseful, traurig trauriges traurige=sad, kinderfilm kinderfilme=for kids, kinder kindern=kids, familie familienfilm=family,
franzosisch franzosische franzosischer franzosisches franzosischen=french, deutsch deutsche deutscher deutsches deutschen=german, italienisch italienische italienischer italienisches italienischen=italian,
spanisch spanische spanischer spanisches spanischen=spanish, englisch englische englischer englisches britisch britische britischer britisches=british, amerikanisch amerikanische amerikanischer amerikanisches amerikanischen=american,
japanisch japanische japanischer japanisches=japanese, schwedisch schwedische schwedischer schwedisches=swedish, danisch danische danischer danisches=danish, russisch russische russischer russisches=russian, chinesisch chinesische chinesischer=chinese,
frankreich=france, deutschland=germany, italien=italy, spanien=spain, england=england, japan=japan, schweden=sweden,
ohne=without, keine kein keinen keiner nicht=not, aber=but, und=and, oder=or, mit=with, von=by, uber=about, wie=like, ahnlich ahnliches ahnliche=similar to, auser ausser=except, lieber=rather,
nach=after, vor=before, seit=since, bis=until, zwischen=between, unter=under, weniger=less, mehr=more, als=than, hochstens maximal=at most, mindestens=at least, etwa ungefahr=about,
kurz kurzer kurzes kurzere kurzeren kurzerer=shorter, lang langes lange langen=long, zu=too, neu neuer neuere neueres neueren=newer, alt alter altere alteres alteren=older,
minuten minute=minutes, stunde=hour, stunden=hours, eine einen einer eines einem ein=a, eins=one, zwei=two, drei=three, vier=four, funf=five, sechs=six, sieben=seven, acht=eight, neun=nine, zehn=ten, anderthalb=one and a half,
film filme filmen=film, etwas was=something, anderes andere anderen=other, nochmal=again, danke=thanks, hallo=hello, bitte=please, warum wieso=why, erste ersten erster=first, zweite zweiten zweiter=second, dritte dritten dritter=third, letzte letzten letzter=last,
ich du wir es der das den dem des im am um hatte hatten gern gerne mochte mochten will wollen wurde sehen schauen heute abend mir uns zeig empfiehl empfehlen gib suche such aus ist sind war jahr jahre jahren noch doch mal schon gut guter gutes guten fur auf bei bin habe haben man sich soll sollte sein wunsche lust was=
""")
_FRENCH = _words("""
comedie comedies=comedy, drole droles amusant amusante marrant rigolo=funny, drame drames=drama, romantique romantiques=romantic, amour=romance, horreur epouvante=horror, policier policiers polar polars=crime,
aventure aventures=adventure, animation anime=animation, dessin dessins=animation, documentaire documentaires=documentary, guerre=war, musicale=musical, comedie-musicale=musical, fantastique=fantasy, enfant enfants=kids, famille=family, triste tristes=sad, effrayant effrayants=scary,
francais francaise francaises=french, allemand allemande allemands=german, italien italienne italiens=italian, espagnol espagnole espagnols=spanish, anglais anglaise britannique britanniques=british, americain americaine americains=american, japonais japonaise=japanese, suedois suedoise=swedish, danois danoise=danish, russe russes=russian, chinois chinoise=chinese,
allemagne=germany, italie=italy, espagne=spain, angleterre=england, japon=japan, suede=sweden,
sans=without, pas=not, aucun aucune=no, mais=but, et=and, ou=or, avec=with, par=by, sur=about, comme=like, sauf excepte=except, plutot=rather,
apres=after, avant=before, depuis=since, entre=between, moins=less, plus=more, que=than, maximum=at most, minimum=at least, environ=about,
court courts courte courtes=short, long longs longue longues=long, trop=too, recent recents recente recentes nouveau nouveaux=newer, ancien anciens ancienne vieux vieille=older,
minutes minute=minutes, heure=hour, heures=hours, un une=a, deux=two, trois=three, quatre=four, cinq=five, six=six, sept=seven, huit=eight, neuf=nine, dix=ten, demie=a half,
film films=film, quelque=some, chose=thing, autre autres=other, encore=again, merci=thanks, bonjour salut=hello, pourquoi=why, premier premiere=first, deuxieme second=second, troisieme=third, dernier derniere=last,
je tu nous vous il elle le la les des du de l d au aux en dans pour ce cette ces mon ma mes svp plait voudrais aimerais veux voir regarder cherche donne montre recommande est sont soir on annee annees bon bons bonne tres si qui me moi j ai c y a=
""")
_SPANISH = _words("""
comedia comedias=comedy, divertido divertida divertidas divertidos gracioso graciosa=funny, drama dramas=drama, romantica romantico romanticas=romantic, amor=romance, terror miedo=horror, policiaca policiaco crimen crimenes=crime,
accion=action, aventura aventuras=adventure, animacion animada animadas dibujos=animation, documental documentales=documentary, guerra belica belico=war, musical musicales=musical, fantasia=fantasy, suspense suspenso intriga=thriller, ninos ninas nino=kids, familia familiar=family, triste tristes=sad, vaqueros oeste=western,
frances francesa francesas=french, aleman alemana alemanas=german, italiana italiano italianas=italian, espanola espanol espanolas=spanish, inglesa ingles britanica britanico=british, americana americano estadounidense=american, japonesa japones=japanese, sueca sueco=swedish, danesa danes=danish, rusa ruso=russian, china chino=chinese, mexicana mexicano=mexican, argentina argentino=argentinian,
francia=france, alemania=germany, italia=italy, espana=spain, inglaterra=england, japon=japan, suecia=sweden,
sin=without, no ni=not, ningun ninguna=no, pero=but, y=and, o=or, con=with, por=by, sobre=about, como=like, salvo excepto=except, mejor=rather,
despues=after, antes=before, desde=since, entre=between, menos=less, mas=more, que=than, maximo=at most, minimo=at least, unos unas=about,
corta corto cortas=short, larga largo largas=long, demasiado muy=too, reciente recientes nueva nuevo nuevas=newer, antigua antiguo vieja viejo viejas=older,
minutos minuto=minutes, hora=hour, horas=hours, un una=a, uno=one, dos=two, tres=three, cuatro=four, cinco=five, seis=six, siete=seven, ocho=eight, nueve=nine, diez=ten, media=a half,
pelicula peliculas peli pelis=film, algo=something, otra otro otras otros=other, gracias=thanks, hola=hello, primera primero=first, segunda segundo=second, tercera tercero=third, ultima ultimo=last,
quiero quisiera gustaria me mi yo tu el la los las de del al en para lo le es son ver busco dame muestra recomienda noche hoy ano anos buena bueno buenas favor esta este estas algun alguna se nos si=
""")
_ITALIAN = _words("""
commedia commedie=comedy, divertente divertenti=funny, drammatico drammatici drammi dramma=drama, romantico romantica romantici=romantic, amore=romance, orrore paura=horror, poliziesco polizieschi giallo gialli=crime,
azione=action, avventura avventure=adventure, animazione cartoni=animation, documentario documentari=documentary, guerra=war, musicale musicali=musical, bambini bambino=kids, famiglia=family, triste tristi=sad,
francese francesi=french, tedesco tedesca tedeschi=german, italiano italiana italiani=italian, spagnolo spagnola=spanish, inglese inglesi britannico=british, americano americana americani=american, giapponese giapponesi=japanese, svedese=swedish, russo russa=russian,
francia=france, germania=germany, italia=italy, spagna=spain, inghilterra=england, giappone=japan, svezia=sweden,
senza=without, non=not, nessun nessuno nessuna=no, ma=but, e ed=and, o=or, con=with, su=about, come=like, tranne eccetto=except, piuttosto=rather,
dopo=after, prima=before, dal=since, tra fra=between, meno=less, piu=more, massimo=at most, minimo=at least, circa=about,
corto breve corti brevi=short, lungo lunga lunghi=long, troppo=too, recente recenti nuovo nuovi=newer, vecchio vecchi vecchia=older,
minuti minuto=minutes, ora=hour, ore=hours, un una uno=a, due=two, tre=three, quattro=four, cinque=five, sei=six, sette=seven, otto=eight, nove=nine, dieci=ten, mezza=a half,
film=film, qualcosa=something, altro altra altri=other, grazie=thanks, ciao=hello, perche=why, primo=first, secondo=second, terzo=third, ultimo=last,
vorrei voglio mi io tu il lo la i gli le di del della dei delle degli nel nella in per da al alla vedere guardare cerco dammi mostra consiglia sera stasera anno anni buon buono bello bella che si piace piacerebbe sia un'=
""")


def _telling(words: dict[str, str]) -> frozenset[str]:
    """Words that no English message would have, one-letter words aside."""
    return frozenset(w for w in words if len(w) > 1 and w not in _SHARED_WITH_ENGLISH | SMALL and words[w] != w)


_HOURS = r"\b(?:anderthalb stunden|eineinhalb stunden|une heure et demie|hora y media|un'?ora e mezza)\b"
_EVERYWHERE = ((_HOURS, "one and a half hours"),)

LANGUAGES = (
    Language(
        "German",
        (
            *_EVERYWHERE,
            (r"\b(?:aus den |in den |der |die )?(?:19)?(\d0)er(?:n)?(?: jahren?| jahre)?\b", r"from the \1s"),
            (r"\b(?:aus|von) (?:dem jahr )?((?:19|20)\d\d)\b", r"from \1"),
            (r"\b(?:mehr|weniger) davon\b", "more like this"),
            (r"\bzu lang\b", "too long"),
            (r"\blanger\w*\b", "longer"),
            (r"\blustiger\b|\bwitziger\b", "funnier"),
            (r"\bnicht (?:so|zu) lang\w*\b", "not too long"),
        ),
        _GERMAN,
        _telling(_GERMAN),
    ),
    Language(
        "French",
        (
            *_EVERYWHERE,
            (r"\b(?:des |les |dans les )?annees (?:19)?(\d0)\b", r"from the \1s"),
            (r"\b(?:de|en) ((?:19|20)\d\d)\b", r"from \1"),
            (r"\bdessins? animes?\b", "animation"),
            (r"\bfilms? d'horreur\b", "horror film"),
            (r"\bs'il (?:vous|te) plait\b", " "),
            (r"\bplus court\w*\b", "shorter"),
            (r"\bplus long\w*\b", "longer"),
            (r"\bplus recent\w*\b", "newer"),
            (r"\bplus (?:ancien|vieux)\w*\b", "older"),
            (r"\bplus drole\w*\b", "funnier"),
            (r"\bpas d(?:e |')", "no "),
            (r"\bmoins de\b", "less than"),
            (r"\bplus de\b", "more than"),
            (r"\b(?:au maximum|au plus)\b", "at most"),
            (r"\bpas trop long\w*\b", "not too long"),
            (r"\bscience[- ]fiction\b", "science fiction"),
            (r"\b(?:est-ce que|qu'est-ce que|c'est|j'aimerais|j'ai|l'|d'|qu')", " "),
            (r"\bquelque chose\b", "something"),
        ),
        _FRENCH,
        _telling(_FRENCH),
    ),
    Language(
        "Spanish",
        (
            *_EVERYWHERE,
            (r"\b(?:de los |los )?anos (?:19)?(\d0)\b", r"from the \1s"),
            (r"\bde los (?:19)?(\d0)\b", r"from the \1s"),
            (r"\b(?:de|en|del) ((?:19|20)\d\d)\b", r"from \1"),
            (r"\bmas cort\w+\b", "shorter"),
            (r"\bmas larg\w+\b", "longer"),
            (r"\bmas (?:reciente|nuev)\w*\b", "newer"),
            (r"\bmas (?:antigu|viej)\w+\b", "older"),
            (r"\bmas divertid\w+\b", "funnier"),
            (r"\bmenos de\b", "less than"),
            (r"\bmas de\b", "more than"),
            (r"\b(?:como|al) maximo\b", "at most"),
            (r"\bno (?:muy|demasiado) larg\w+\b", "not too long"),
            (r"\bciencia[- ]ficcion\b", "science fiction"),
            (r"\b(?:por|el) favor\b", " "),
            (r"\bpor que\b", "why"),
        ),
        _SPANISH,
        _telling(_SPANISH),
    ),
    Language(
        "Italian",
        (
            *_EVERYWHERE,
            (r"\b(?:degli |dagli |gli )?anni '?(?:19)?(\d0)\b", r"from the \1s"),
            (r"\b(?:del|dal|nel) ((?:19|20)\d\d)\b", r"from \1"),
            (r"\bpiu (?:cort|brev)\w+\b", "shorter"),
            (r"\bpiu lung\w+\b", "longer"),
            (r"\bpiu (?:recent|nuov)\w+\b", "newer"),
            (r"\bpiu vecch\w+\b", "older"),
            (r"\bpiu divertent\w+\b", "funnier"),
            (r"\bmeno di\b", "less than"),
            (r"\bpiu di\b", "more than"),
            (r"\bal massimo\b", "at most"),
            (r"\bnon troppo lung\w+\b", "not too long"),
            (r"\bfantascienza\b", "science fiction"),
            (r"\bper favore\b", " "),
            (r"\b(?:dell'|l'|d'|un')", " "),
        ),
        _ITALIAN,
        _telling(_ITALIAN),
    ),
)
"""In the order in which they win a tie."""
