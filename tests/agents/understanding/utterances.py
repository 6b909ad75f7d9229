"""What people say, and what must be understood: one line an utterance, everything that is read and nothing else.

Left of the arrow: `-` without a list on the table or `S` with one (1 Fargo 1996, 2 Raising Arizona 1987, 3 The Godfather
1972, 4 Vertigo 1958, 5 Toy Story 1995; the second in focus; the running request: American crime comedies, no horror).
Right of it, in any order: the act unless it is `recommend`, `new` for a new request, wishes (`+` wanted, `-` ruled
out, `~` only liked), and what else an intent holds, by name.
"""

FILMS = """
- a comedy => new +genre:Comedy
- I want a funny movie => new ~genre:Comedy mood=funny
- something feel-good => new ~genre:Comedy|Romance|Musical mood=feel-good
- cheer me up => new ~genre:Comedy|Romance|Musical mood=feel-good
- something tense => new ~genre:Thriller|Mystery mood=tense
- a nail-biting film with a twist ending => new ~genre:Thriller|Mystery ~genre:Mystery|Sci-Fi|Thriller mood=tense
- something cozy => new ~genre:Comedy|Romance mood=relaxing
- I want to cry, something really sad => new ~genre:Drama|Romance mood=sad
- make me laugh => new ~genre:Comedy mood=funny
- mind-bending sci-fi => new +genre:Sci-Fi ~genre:Mystery|Sci-Fi|Thriller mood=mind-bending
- something for date night => new ~genre:Romance mood=romantic
- a film with kids => new +genre:Children's
- a movie for my 6-year-old => new +genre:Children's
- something for my seven year old daughter => new +genre:Children's
- a family movie night => new ~genre:Children's|Animation mood=for_the_whole_family
- scary but funny => new ~genre:Horror ~genre:Comedy mood=scary
- nothing scary please => new -genre:Horror
- not too violent => new -genre:Action|Horror|War
- something not depressing => new ~genre:Comedy
- a thriller but not too dark => new +genre:Thriller -genre:Horror
- an epic adventure => new ~genre:War|Action mood=epic
- something weird and French => new +country:France ~genre:Mystery|Sci-Fi|Thriller mood=mind-bending
- films about gangsters => new ~genre:Crime
- I'm in the mood for a romcom => new +genre:Romance +genre:Comedy
- a horrer film => new +genre:Horror
- a good comdey => new +genre:Comedy
- some thriler please => new +genre:Thriller
- a romatic film => new +genre:Romance
- something hilarous => new ~genre:Comedy mood=funny
- a documentry or a drama => new +genre:Drama
- either a musical or a western => new +genre:Musical
- both romance and crime => new +genre:Romance +genre:Crime
- comedy and drama => new +genre:Comedy +genre:Drama
- dramas, comedies or war films => new +genre:Drama|Comedy|War
- anything except horror and musicals => new -genre:Horror -genre:Musical
- a drama without war => new +genre:Drama -genre:War
- no romance, no musicals => new -genre:Romance -genre:Musical
- neither French nor Italian => new -country:France|Italy
- either Italian or French => new +country:Italy|France
- not from the US => new -country:United_States
- not American => new -country:United_States
- non-English => new -language:English
- a Japanese or Italian drama => new +country:Japan|Italy +genre:Drama
- a film in Italian => new +language:Italian
- European, not British => new +country:France|Italy|United_Kingdom|Ireland -country:United_Kingdom
- preferably French => new ~country:France
- a comedy, ideally Italian => new +genre:Comedy ~country:Italy
- a thriller, French would be nice => new +genre:Thriller ~country:France
- from the 90s => new +year:1990..1999
- late eighties => new +year:1986..1989
- a comedy from the mid-nineties => new +genre:Comedy +year:1993..1996
- the end of the 60s => new +year:1966..1969
- 70s or 80s => new +year:1970..1989
- from the fifties and sixties => new +year:1950..1969
- since the millennium => new +year:2000..
- this century => new +year:2000..
- before the turn of the century => new +year:..1999
- from the last century => new +year:..1999
- before my birth year 1985 => new +year:..1984
- made before I was born in 1970 => new +year:..1969
- around 1975 => new +year:1973..1977
- nothing older than 1990 => new +year:1990..
- not older than 1990 => new +year:1990..
- 1990 or later => new +year:1990..
- between 1950 and 1960, please => new +year:1950..1960
- a crime film from 1996 => new +genre:Crime +year:1996..1996
- between 90 minutes and two hours => new +runtime:90..120
- 90 to 120 minutes => new +runtime:90..120
- one to two hours => new +runtime:60..120
- under 100 min => new +runtime:..100
- less than an hour and a half => new +runtime:..90
- no more than two and a half hours => new +runtime:..150
- at most 1h40 => new +runtime:..100
- a 90-minute comedy => new +genre:Comedy +runtime:80..100
- I've got two hours => new +runtime:..120
- under ninety minutes => new +runtime:..90
- over a hundred minutes => new +runtime:100..
- about an hour and a half => new +runtime:75..105
- a short comedy => new +genre:Comedy +runtime:..99
- a long one, over three hours => new +runtime:180.. +runtime:123..
- a couple of comedies => new +genre:Comedy k=2
- give me a couple of dramas => new +genre:Drama k=2
- three thrillers under two hours => new +genre:Thriller +runtime:..120 k=3
- five French films from the 90s => new +country:France +year:1990..1999 k=5
- fifteen comedies => new +genre:Comedy k=15
- by Hitchcock => new +director:Alfred_Hitchcock
- something by hichcock => new +director:Alfred_Hitchcock
- a Kurosawa film => new +director:Akira_Kurosawa
- starring Tom Hankes => new +cast:Tom_Hanks
- with pacino or brando => new +cast:Al_Pacino|Marlon_Brando
- anything with Day-Lewis => new +cast:Daniel_Day-Lewis
- not by Billy Wilder => new -director:Billy_Wilder
- a thriller by Alfred Hitchcock with James Stewart => new +genre:Thriller +director:Alfred_Hitchcock +cast:James_Stewart
- directed by Zorblax Quimby => clarify new unlinked=Zorblax_Quimby
- something like Fargo => new like=1
- like Fargo but funnier => new like=1 ~genre:Comedy mood=funny
- like fargo but newer and shorter => new like=1 +year:1997.. +runtime:..97
- films similar to The Godfather and Alien => new like=2,12
- I loved Vertigo, something similar => new like=7
- something like the godfahter => new like=2
- something like Psycho but not scary => new like=6 -genre:Horror
- "Some Like It Hot" => new like=17
- something like Blorpity Mansion => clarify new unlinked=Blorpity_Mansion
- hidden gems => new task=long_tail
- an obscure comedy => new +genre:Comedy task=long_tail
- surprise me => new task=discover
- something for Halloween => new task=holiday
- recommend me something good => new
- I'm bored => new
- what should I watch tonight? => new
- something nice => new
- hello there => hello
- thanks a lot => thanks
- what can you do? => help
- now for something completely different: a drama => new +genre:Drama
- compare Fargo and Psycho => compare items=1,6
- Fargo or Psycho? => compare items=1,6
- what's the difference between Sabrina (1954) and Sabrina (1995)? => compare items=21,22
- which is shorter, Fargo or Alien? => compare items=1,12 aspect=shorter
- is Fargo newer than Psycho? => compare items=1,6 aspect=newer
- Alien vs. Psycho => compare items=12,6
- should I watch Vertigo or Snatch? => compare items=7,19
- compare Fargo => compare items=1
- comedies or dramas => new +genre:Comedy|Drama
- do you have Delicatessen? => about items=4
- I have seen Fargo => new seen=1
- why the second one? => why slots=2
- I hate horror => new -genre:Horror
- can't stand musicals => new -genre:Musical
- wat about a western or a thriler => new +genre:Thriller
- a hitchcok film => new +director:Alfred_Hitchcock
- a Hitchcock thriller with Kim Novak => new +genre:Thriller +director:Alfred_Hitchcock +cast:Kim_Novak
- i dont want anything sad => new ~genre:Comedy
- two or three good dramas => new +genre:Drama k=3
- something in French, not from France => new +language:French -country:France
- I love horror but hate gore => new +genre:Horror -genre:Action|Horror|War
- a Jim Kurosawa film => new
- not a fan of Vertigo, rather a comedy => new barred=7 +genre:Comedy
- I loved Jumanji (2017) => clarify new unlinked=Jumanji_(2017)
- something like Fargo (1996) from the 80s => new like=1 +year:1980..1989
- what do Fargo and Psycho have in common? => compare items=1,6
S the second one is too scary => slots=2 barred=8 -genre:Horror
S I don't like any of these => more
S actually, make that a drama => +genre:Drama
S add some romance => +genre:Romance
S seen 'em all => seen=1,8,2,7,11 slots=1,2,3,4,5
S not Vertigo => barred=7
S bring back the previous list => undo back=1
S let's talk about something else. A good war film? => new +genre:War
S made after 1990 => +year:1991..
S make it newer => +year:1988..
S something newer => +year:1988..
S these are too old => +year:1988..
S they're all so old => +year:1988..
S a bit shorter please => +runtime:..97
S too long => +runtime:..97
S these are all too long => +runtime:..97
S too dark => -genre:Horror
S these are all so violent => -genre:Action|Horror|War
S too sad => ~genre:Comedy
S a bit too scary => -genre:Horror
S less talky => ~genre:Action|Thriller mood=exciting
S more romantic => ~genre:Romance mood=romantic
S less violent => -genre:Action|Horror|War
S too much violence => -genre:Action|Horror|War
S enough of comedies => -genre:Comedy
S but funnier => ~genre:Comedy mood=funny
S something lighter => ~genre:Comedy mood=light-hearted
S and French => +country:France
S French instead => +country:France
S from the 80s => +year:1980..1989
S only from before 1990 => +year:..1989
S no crime => -genre:Crime
S without Hitchcock => -director:Alfred_Hitchcock
S with Steve Buscemi => +cast:Steve_Buscemi
S a French one => +country:France
S could they be shorter? => +runtime:..97
S doesn't have to be American => dropped=country:United_States
S it doesn't need to be funny => dropped=genre:Comedy
S not necessarily American => dropped=country:United_States
S any year is fine => dropped=year
S any country => dropped=country
S drop the comedy part => dropped=genre:Comedy
S forget the crime thing => dropped=genre:Crime
S longer is ok => dropped=runtime:<
S older is fine too => dropped=year:>
S I don't mind if it's old => dropped=year:>
S horror is ok after all => dropped=genre:-Horror
S never mind the country => dropped=country
S it can be longer => dropped=runtime:<
S the country doesn't matter => dropped=country
S more like the second one but newer => slots=2 like=8 +year:1988..
S more like this but funnier => like=8 ~genre:Comedy mood=funny
S like number 3 but shorter => slots=3 like=2 +runtime:..174
S like the third but without the violence => slots=3 like=2 -genre:Action|Horror|War
S more like Vertigo => like=7
S show me more => more
S something else => more
S not the first one => slots=1 barred=1
S I've seen the first two => slots=1,2 seen=1,8
S I already know Vertigo => seen=7
S I loved the third one => slots=3 liked=2 like=2
S I hated the first => slots=1 disliked=1
S seen it, more like it => seen=8 like=8
S undo => undo back=1
S undo twice => undo back=2
S go back => undo back=1
S go back two steps => undo back=2
S go back to before that => undo back=1
S go back to the first list => undo back=100
S undo that, and make it shorter => back=1 +runtime:..97
S start over => reset
S start over: a French comedy => new +country:France +genre:Comedy
S now for something completely different: a drama for my kids => new +genre:Drama +genre:Children's
S different topic: Japanese dramas => new +country:Japan +genre:Drama
S I want a war film => new +genre:War
S a thriller under two hours => new +genre:Thriller +runtime:..120
S a war film made after 1990 => new +genre:War +year:1991..
S why the second one? => why items=8 slots=2
S why is Vertigo there? => why items=7
S what is the third about? => about items=2 slots=3
S why the ninth? => why slots=9
S what's the difference between the first and the third? => compare items=1,2 slots=1,3
S the first or the third? => compare items=1,2 slots=1,3
S compare 2 and 4 => compare items=8,7 slots=2,4
S compare the first one with Alien => compare items=1,12 slots=1
S is the second shorter than the fourth? => compare items=8,7 slots=2,4 aspect=shorter
S which of the first two is funnier? => compare items=1,8 slots=1,2 aspect=funnier
S which of these is the shortest? => compare items=1,8,2,7,11 aspect=shortest
S which one is the newest? => compare items=1,8,2,7,11 aspect=newest
S which of these two is shorter? => compare aspect=shorter
S compare the first => compare items=1 slots=1
S compare them => compare
S thanks! now something with Al Pacino but not too long, and why was the second one there? => +cast:Al_Pacino +runtime:..97 aside=why items=8 slots=2
S show me something newer. Also, who directed the third one? => +year:1988.. aside=about items=2 slots=3
S why the first one? And show me something shorter => +runtime:..97 aside=why items=1 slots=1
S I've seen the first one, and why is the third there? => seen=1 aside=why items=2 slots=1,3
S something newer, and why was the ninth one there? => +year:1988.. slots=9
S thanks! why the first? => why items=1 slots=1
S two more of these => more k=2
S give me just three => k=3
S make it four => k=4
S rather hidden gems => task=long_tail
S thanks, perfect => thanks
S ok => thanks
- two hours is fine too => new +runtime:..120
- fr comedy => new +country:France +genre:Comedy
S give me six others => more k=6
S three more please => more k=3
S is it long? => about items=8
S I like the look of the first. is it long? => about slots=1 items=1
S is the first any good? => about slots=1 items=1
S is it ok if it is long => +runtime:123..
"""

SHOP = """
- black boots => new +colour:black +category:Boots
- boots or sandals under 100 euros => new +category:Boots|Sandals +price:..100
- between 20 and 90 euros => new +price:20..90
- $50 to $90 => new +price:50..90
- at least four stars => new +stars:4..
- rated at least 4.5 => new +stars:4.5..
- between 3.5 and 4.5 stars => new +stars:3.5..4.5
- no more than 4 stars => new +stars:..4
- weight under 500 => new +weight:..500
- weight between 200 and 900 => new +weight:200..900
- not by Acme => new -brand:Acme
- anything by cirus works => new +brand:Cirrus_Works
- red or blue => new +colour:red|blue
- nothing white => new -colour:white
- cheap sandals => new +category:Sandals +price:..66.25
- something funny => new mood=funny
- from the 90s => new
- compare Trail Runner and Snow Boot => compare items=a,d
- which is cheaper, City Boot or Snow Boot? => compare items=b,d aspect=cheaper
- something like Trail Runner => new like=a
- winter sports => new +category:Winter_Sports
- something for my kids => new
- only what is in stock => new +in_stock:true
- for about 100 dollars => new +price:80..120
"""
