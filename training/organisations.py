"""Names of organizations: well-known ones, and patterns for invented ones; ``|`` separates entries.

A pattern's parts in braces are filled by ``training.values``.
"""

from training.words import _list

KNOWN = _list(
    # Companies
    "3M|ABB|Accor|Acer|Activision|Aetna|AIG|Air France|Air India|Alibaba|Allianz|Alphabet|Alstom|American Airlines|American Express|Amtrak|AOL|Aramco|"
    "ArcelorMittal|Asda|ASML|Asus|Audi|Avis|Aviva|AXA|Baidu|Banco do Brasil|Bain|Bank of China|BBVA|Ben & Jerry's|Berkshire Hathaway|Best Buy|BHP|Binance|"
    "BlackBerry|BlackRock|Bloomberg|Blue Cross Blue Shield|Boots|Booking.com|British Airways|BT|Budweiser|Burger King|ByteDance|Cadbury|Canon|Capgemini|"
    "Capital One|Cargill|Caterpillar|CBRE|Charles Schwab|Chevron|Chipotle|Chrysler|Cigna|Cloudflare|Coinbase|Colgate-Palmolive|Comcast|ConocoPhillips|"
    "Continental|CVS|Daimler|Danone|Databricks|DBS|Decathlon|Deliveroo|Delta Air Lines|Deutsche Bahn|Deutsche Telekom|Diageo|DocuSign|Domino's|DoorDash|"
    "Dow Chemical|Dunkin'|DuPont|Duracell|Dyson|eBay|Edeka|EDF|Electrolux|Electronic Arts|Eli Lilly|Emirates|Enel|Engie|Eni|Enron|Equifax|Etsy|Etihad|"
    "Expedia|ExxonMobil|Fannie Mae|Ferrari|Fiat|Fidelity|Flipkart|Ford|Foxconn|Fujitsu|Gap|Gazprom|GEICO|General Electric|General Motors|Gillette|"
    "GlaxoSmithKline|Glencore|GoDaddy|Grab|Gucci|H-E-B|Haier|Halliburton|Harley-Davidson|Hasbro|HCL|Heineken|Henkel|Hermès|Hertz|Hewlett-Packard|Hilton|"
    "Hitachi|Home Depot|Honeywell|HubSpot|Huawei|Humana|Hyatt|Hyundai|Iberia|ICICI Bank|Indigo|ING|Instacart|Intuit|Jaguar|JetBlue|John Deere|"
    "Johnson & Johnson|Kaiser Permanente|Kellogg's|Kia|Kimberly-Clark|KLM|Kodak|Komatsu|Kraft Heinz|Kroger|L'Oréal|Lego|Lloyds|Lockheed Martin|Lowe's|"
    "Lululemon|LVMH|Macy's|Marks & Spencer|Marriott|Mars|Mattel|Mazda|Medtronic|Mercado Libre|MetLife|Michelin|Mitsubishi|Moderna|Monsanto|Morgan Stanley|"
    "Motorola|N26|NatWest|Nationwide|NEC|Netgear|Nissan|Nomura|Northrop Grumman|Novo Nordisk|OpenAI|Anthropic|Panasonic|Patagonia|Peloton|Petrobras|Peugeot|"
    "PG&E|Pinterest|Porsche|Procter & Gamble|Prudential|Qantas|Qatar Airways|Quora|Raytheon|Red Bull|Renault|Revolut|Ricoh|Rio Tinto|Roku|Rolex|"
    "Rolls-Royce|Rosneft|RWE|Ryder|Safeway|Sainsbury's|Schneider Electric|Sears|Sharp|ServiceNow|Siemens Energy|Singapore Airlines|Sky|Snap|SoftBank|"
    "Southwest Airlines|Sprint|Square|Standard Chartered|Staples|State Farm|Subaru|Suzuki|Swatch|Swiss Re|Swisscom|Tata Consultancy Services|TD Bank|"
    "Telegram|Telenor|Telstra|Tencent|Thales|ThyssenKrupp|TikTok|Tim Hortons|TJ Maxx|Toshiba|Toys R Us|Trader Joe's|TripAdvisor|TSMC|Turkish Airlines|Twilio|"
    "Twitch|Under Armour|UniCredit|Uniqlo|United Airlines|UnitedHealth|Vanguard|Veolia|Virgin Atlantic|Vodacom|Volvo|Waitrose|Walgreens|Wendy's|Western Union|"
    "WeWork|Whirlpool|Whole Foods|Wipro|Wise|Workday|Xerox|Xiaomi|Yahoo|Yamaha|Yandex|YouTube|Zalando|Zendesk|Zurich Insurance|"
    # Universities, hospitals, agencies, clubs, media, bands
    "Princeton|Columbia University|Cornell|Dartmouth|Brown University|Caltech|UCLA|UC Berkeley|NYU|Duke University|Johns Hopkins University|Georgetown University|"
    "Northwestern|Purdue|Penn State|Texas A&M|Virginia Tech|Ohio State|Arizona State University|Boston University|Rutgers|Vanderbilt|Emory|Tufts|McGill University|"
    "University of Toronto|University of British Columbia|University College London|King's College London|Imperial College|LSE|University of Edinburgh|"
    "Trinity College Dublin|KU Leuven|Leiden University|Heidelberg University|TU Munich|RWTH Aachen|Humboldt University|Sciences Po|EPFL|Bocconi|Uppsala University|"
    "Karolinska Institute|Charles University|Jagiellonian University|Moscow State University|Tel Aviv University|Technion|Cairo University|University of Cape Town|"
    "Makerere University|University of Lagos|IIT Bombay|IIT Delhi|University of Delhi|Tsinghua University|Peking University|Fudan University|Kyoto University|KAIST|"
    "Seoul National University|National University of Singapore|University of Melbourne|Monash University|UNAM|Universidad de Buenos Aires|USP|Open University|"
    "Massachusetts General Hospital|Cleveland Clinic|Mount Sinai|Johns Hopkins|Great Ormond Street Hospital|Royal Free Hospital|Guy's Hospital|St Thomas' Hospital|"
    "Cedars-Sinai|Planned Parenthood|Doctors Without Borders|Save the Children|World Vision|CARE|the Gates Foundation|Wikimedia Foundation|Mozilla Foundation|EFF|ACLU|"
    "NAACP|WWF|PETA|Human Rights Watch|Habitat for Humanity|Salvation Army|Rotary International|Lions Club|YMCA|UNHCR|ILO|WTO|OECD|OPEC|ASEAN|African Union|European Union|"
    "EU|UN|European Central Bank|Federal Reserve|Bank of England|Bundesbank|SEC|FTC|FCC|FAA|EPA|DEA|NSA|DHS|TSA|USDA|CDC|NIH|IRS|USPS|NYPD|LAPD|DVLA|Ofcom|MI5|MI6|GCHQ|"
    "Mossad|Bundestag|Congress|House of Commons|House of Lords|State Department|Pentagon|Home Office|Department of Justice|Department of Education|Treasury|"
    "Ministry of Defence|Ministry of Finance|Ministry of Foreign Affairs|European Parliament|European Court of Justice|International Criminal Court|IAEA|CERN|"
    "Arsenal|Chelsea|Liverpool|Tottenham|Everton|Celtic|Rangers|Barcelona|FC Barcelona|Atlético Madrid|Sevilla|AC Milan|Inter|Napoli|Borussia Dortmund|Ajax|"
    "PSG|Paris Saint-Germain|Benfica|FC Porto|Galatasaray|Fenerbahçe|Boca Juniors|River Plate|Flamengo|LA Galaxy|Dallas Cowboys|New England Patriots|Green Bay Packers|"
    "Chicago Bulls|Boston Celtics|Golden State Warriors|Miami Heat|Boston Red Sox|Chicago Cubs|Toronto Maple Leafs|Montreal Canadiens|All Blacks|Mumbai Indians|"
    "IOC|NHL|MLB|NCAA|Premier League|Bundesliga|La Liga|The Washington Post|Wall Street Journal|Financial Times|USA Today|Time|Newsweek|The Times|Daily Mail|The Sun|"
    "El País|Le Figaro|La Repubblica|Corriere della Sera|Die Zeit|Bild|Asahi Shimbun|Times of India|South China Morning Post|Haaretz|NPR|PBS|NBC|ABC|CBS|Fox News|"
    "MSNBC|HBO|ESPN|Sky News|ITV|Channel 4|Deutsche Welle|NHK|AP|Associated Press|AFP|Bloomberg News|Politico|BuzzFeed|Vox|The Atlantic|The New Yorker|Nature|"
    "ABBA|AC/DC|Arctic Monkeys|Backstreet Boys|Black Sabbath|Blur|BTS|Depeche Mode|Eagles|Fleetwood Mac|Foo Fighters|Genesis|Green Day|Guns N' Roses|Iron Maiden|"
    "Kraftwerk|Led Zeppelin|Linkin Park|Maroon 5|Muse|Nirvana|Oasis|One Direction|Pearl Jam|Pink Floyd|R.E.M.|Rammstein|Red Hot Chili Peppers|Spice Girls|"
    "The Cure|The Doors|The Who|U2|Van Halen|Democratic Party|Republican Party|Labour Party|Conservative Party|Green Party|CDU|SPD|BJP|ANC|Hamas|Hezbollah|Taliban|ISIS"
)
PATTERNS = _list(
    "{last} Inc|{last} Inc.|{last}, Inc.|{last} LLC|{last} Ltd|{last} PLC|{last} Corp|{last} Corporation|{last} & Co.|{last} & Sons|{last} Bros.|{last} Brothers|"
    "{last} and {last2}|{last}-{last2}|{last}, {last2} and {last3}|{last} {last2} LLP|{last} & {last2} LLP|{last} Industries|{last} Enterprises|{last} International|"
    "{last} Holdings|{last} Ventures|{last} Capital|{last} Partners|{last} Associates|{last} Solutions|{last} Services|{last} Global|{last} Labs|{last} Realty|"
    "{last} Properties|{last} Trading Co.|{last} Freight|{last} Plumbing|{last} Roofing|{last} Auto Repair|{last} Landscaping|{last} Bakery|{last} Winery|"
    "{last} Farms|{last} Dairy|{last} Steel|{last} Chemicals|{last} Biotech|{last} Dental Care|{last} Elementary School|{last} Middle School|{last} College|"
    "{last} University|{last} Institute|{last} Memorial Hospital|{last} Hospital|{last} Clinic|{last} Trust|{last} Foundation|{last} Museum|{last} Gallery|"
    "{last} Theatre|{last} Orchestra|{last} Press|{last} Gazette|{last} & Associates|Law Offices of {last}|{last} Legal|{last} Financial|{last} Wealth Management|"
    "{city} Medical Center|{city} Children's Hospital|{city} Dental|{city} Savings Bank|{city} Credit Union|{city} Insurance|{city} Water Authority|{city} Transit|"
    "{city} Airport|{city} Public Library|{city} School District|{city} Community College|{city} Institute of Technology|{city} State University|{city} Fire Department|"
    "{city} Housing Association|{city} Tigers|{city} Rovers|{city} United|{city} City FC|{city} Athletic Club|{city} Herald|{city} Tribune|{city} Post|{city} Philharmonic|"
    "{city} Opera|{city} Zoo|{city} Brewing|{city} Coffee Roasters|{city} Marathon Foundation|{city} Stock Exchange|{city} Bar Association|{city} Rugby Club|"
    "Bank of {country}|Air {country}|{country} Telecom|{country} Railways|{country} National Bank|{people} Red Cross|{people} Chamber of Commerce|{people} Football Association|"
    "{people} Embassy|Embassy of {country}|{people} Academy of Sciences|Ministry of Health of {country}|{people} Cancer Society|National Bank of {country}|"
    "{a}{b}|{a}{b}|{a}{b}|{a}{b}.io|{a}{b}.com|{a}{b} Corp|{a}{b} LLC|{a}{b} Pty Ltd|{a}{b} SARL|{a}{b} S.p.A.|{a}{b} BV|{a}{b} Oy|{a}{b} AB|{a}{b} Sp. z o.o.|{a}{b} KK|"
    "{a}{b} Pvt Ltd|{a}{b} SE|{a}{b} KG|{a}{b} Health|{a}{b} Games|{a}{b} AI|{a}{b} Cloud|{a}{b} Pharma|{a}{b} Energy|{a}{b} Airlines|{a}{b} Bank|{a}{b} Insurance|"
    "{coined}|{coined}|{coined} Inc.|{coined} Group|{coined} Systems|{coined} Logistics|{coined} & Co|{coined} Bank|{coined} Media|{coined} Software|{coined} Foods|{coined} AG|"
    "The {adjective} {thing}|{adjective} {thing}|{adjective} {thing} Ltd|{adjective} {thing} Coffee|{adjective} {thing} Books|{adjective} {thing} Studio|{thing} & {thing2}|"
    "{thing} and {thing2} Co.|The {thing} Company|{thing} Insurance|{thing} Capital|{thing} Airways|{thing} Records|{thing} Bar & Grill|Café {coined}|Hotel {coined}|"
    "Saint {first}'s Church|St. {first} Hospital|St. {first}'s College|{first}'s Diner|{first} & {first2} Catering|{first}'s Flower Shop|Dr. {last}'s Dental Practice|"
    "{initials}|{initials} Group|{initials} Bank|{initials} Logistics|{initials} Consulting|{last} {initials}|Local {number} Union|{number}th Street Gym"
)
MORE_PATTERNS = _list(
    # Short: a surname, a word, a made-up name, initials, digits
    "{last}|{last}|{last}|{last}'s|{first}'s|{last} Co|{last} & Daughters|{last} and Daughters|{last} {last2}|{last}+{last2}|{last}/{last2}|{last} & {last2}|{last}-{last2}|"
    "{last} and Sons|{last}, {last2} and {last3}|{last} Group|{last} Ltd|{last} Inc|{last} LLC|{last} PLC|{thing}|{thing}|{adjective}{thing}|{thing}ly|{thing}ify|{thing}.ai|"
    "{coined}|{coined}|{coined}.com|{coined}o|{initials}|{initials}|{initials} Inc.|{initials}-{number}|{number} {thing} Street Partners|{number}&Co|Studio {number}|Bar {number}|"
    "Channel {number}|Radio {number}|Four {thing}s|Seven {thing}s Hotel|{thing}{number}|{coined}{number}|{initials} {city}|{city} {initials}|"
    # Forms of other countries
    "{last} GmbH & Co. KG|{last} & Söhne|Gebrüder {last}|{last} OHG|{last} e.K.|{city}er Bank AG|Stadtwerke {city}|Sparkasse {city}|Volksbank {city} eG|Universität {city}|"
    "Klinikum {city}|Gymnasium {city}|TSV {city}|VfL {city}|SV {city} {number}|{last} et Fils|{last} SARL|Société {last}|Établissements {last}|Boulangerie {last}|"
    "Université de {city}|Mairie de {city}|Lycée {first} {last}|Crédit {city}|Banco de {country}|Banco {last}|Grupo {last}|Hermanos {last}|{last} e Hijos|{last} y Asociados|"
    "Universidad de {city}|Ayuntamiento de {city}|Colegio San {first}|Deportivo {city}|Real {city}|Fratelli {last}|{last} S.r.l.|Banca di {city}|Università di {city}|"
    "Comune di {city}|Trattoria {last}|Casa {last}|{last} Ltda|Universidade de {city}|{last} B.V.|Gemeente {city}|{last} N.V.|{last} A/S|{last} ApS|{last} Oyj|{last} Aktiebolag|"
    "{last} sp. z o.o.|Uniwersytet {city}|{last} s.r.o.|{last} d.o.o.|{last} Kft.|{last} A.Ş.|{last} Pty|{last} Sdn Bhd|PT {coined} Indonesia|{last} Pvt. Ltd.|{coined} Berhad|{coined} K.K.|"
    # Public bodies, schools, hospitals, churches
    "Ministry of {field}|{people} Ministry of Defence|{people} Parliament|{people} Supreme Court|{people} Navy|{people} Army|{people} Post|{people} Central Bank|Parliament of {country}|"
    "Department of {field}|Office of {field}|{city} Town Hall|{city} Borough Council|{city} County Court|{city} Magistrates' Court|{city} Health Department|{city} Port Authority|"
    "{city} Royal Infirmary|St. {first}'s Hospital|St {first}'s|{first} {last} Hospital|{last} Cancer Institute|{city} Eye Clinic|{city} Veterinary Hospital|Our Lady of {city}|"
    "University of {city}|University of {country}|{city} Polytechnic|{city} Business School|{last} School of Law|{last} Prep|{first} {last} High School|{city} Grammar School|"
    "{city} Montessori|{people} Institute for {field}|Institute of {field}|Royal Society of {field}|{people} Association of {field}|National Council of {field}|"
    "Church of {city}|First Baptist Church of {city}|{city} Islamic Centre|Temple Beth {first}|Friends of {city}|{city} Food Bank|Doctors for {country}|Save {country}|"
    # Media, sport, music, shops
    "The {city} Chronicle|The {city} Observer|{city} Daily News|{city} Evening Standard|Le Journal de {city}|{city} Zeitung|El Diario de {city}|Gazeta {city}|Radio {city}|{city} FM|"
    "{people} Broadcasting Corporation|{people} Press Agency|{thing} Magazine|{thing} Weekly|{adjective} {thing} Press|{city} Wanderers|{city} Hornets|{city} {thing}s|{city} {thing}s|"
    "AC {city}|FC {city}|{city} SC|Sporting {city}|Dynamo {city}|Olympique {city}|{city} Cricket Club|{city} Rowing Club|{last} Racing|Team {last}|The {thing}s|The {thing}s|The {adjective} {thing}s|"
    "{first} and the {thing}s|The {last} Quartet|{last} Trio|{first} {last} Band|{adjective} {thing} Orchestra|{thing} {thing2}|{coined} {thing}|{last} Hardware|{last}'s Deli|{last}'s Garage|"
    "{first}'s Pizza|Chez {first}|Bistro {coined}|The {thing} & {thing2}|The {adjective} {thing} Inn|{last} Jewellers|{last} Opticians|{last} Pharmacy|{thing} Fitness|{thing} Yoga|"
    "{city} Taxi|{last} Coaches|{people} Airways|{people} Rail|Fly{country}|{thing} Mobile|{coined} Telecom|{coined} Water|{coined} Gas & Electric|{coined} Mutual|{last} Life|"
    "{last} & {last2} Solicitors|{last} {last2} Architects|{last} Notaries|{last} Accountancy|{coined} Motors|{coined} Semiconductor|{thing} Therapeutics|{a}{b} Group Holdings"
)
ADJECTIVES = _list(
    "Acme|Golden|Silver|Blue|Red|Green|Black|White|Royal|Imperial|United|National|Federal|General|Central|Northern|Southern|Eastern|Western|Pacific|"
    "Atlantic|Continental|Global|First|Premier|Prime|Elite|Grand|Great|Little|Old|New|Bright|Clear|True|Happy|Lucky|Sunny|Silent|Wild|Iron|Crystal|"
    "Digital|Smart|Rapid|Modern|Classic|Urban|Coastal|Alpine|Savvy|Hidden|Broken|Electric|Velvet|Fuzzy|Rusty|Hungry|Dancing|Flying|Three"
)
THINGS = _list(
    "Anchor|Apple|Arrow|Badger|Bay|Beacon|Bear|Birch|Bridge|Canyon|Castle|Cedar|Circle|Cloud|Compass|Coral|Crown|Diamond|Dragon|Eagle|Ember|Falcon|Feather|"
    "Fern|Forge|Fox|Garden|Gate|Giraffe|Harbor|Hawk|Heron|Hill|Horizon|Horse|Island|Ivy|Jade|Key|Kite|Lake|Lantern|Leaf|Lighthouse|Lion|Lotus|Maple|Meadow|"
    "Mill|Moon|Mountain|Nest|Oak|Ocean|Olive|Orchid|Otter|Owl|Panther|Pearl|Penguin|Pine|Pixel|Plum|Quill|Rabbit|Raven|Reef|Ridge|River|Robin|Rocket|Rose|"
    "Sail|Sparrow|Spire|Spoon|Spring|Star|Stone|Summit|Sun|Swan|Thistle|Tide|Tiger|Tower|Tree|Trident|Valley|Violet|Walrus|Wave|Willow|Wolf|Zebra"
)
