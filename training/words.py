"""Word lists of the training corpus, written for it: places and companies are facts, the rest is common vocabulary.

``|`` separates entries. Nothing here comes from an evaluation set.
"""


def _list(text: str) -> tuple[str, ...]:
    return tuple(entry.strip() for entry in text.replace("\n", " ").split("|") if entry.strip())


TITLES = _list(
    "Mr.|Mrs.|Ms.|Miss|Dr.|Mr|Mrs|Ms|Dr|Prof.|Professor|Sir|Madam|Herr|Frau|Monsieur|Madame|Señor|Señora|Rev.|Capt.|Sgt.|Mx.|Prof|Mme|Mlle|Sra.|Lt.|Col.|Gen.|Maj.|Lady|Lord|Dame"
)
TITLES_COMMON = ("Mr.", "Mrs.", "Ms.", "Dr.", "Mr", "Mrs", "Ms", "Dr", "Miss", "Prof.", "Professor")
TITLES_MORE = _list(  # apart, because some are names or words elsewhere, and what others marked is not searched for them
    "Hon.|The Hon.|Rt. Hon.|Fr.|Revd|Reverend|Captain|Colonel|Sergeant|Major|General|Lieutenant|Corporal|Cpl.|Cmdr.|Adm.|Doctor|Messrs.|Mme.|Mlle.|M.|Dott.|Dott.ssa|"
    "Sig.|Sig.ra|Signora|Signor|Sr.|Srta.|Don|Doña|Dra.|Fräulein|Hr.|Fru|Dipl.-Ing.|Univ.Prof.|Prof. Dr.|Herr Dr.|Frau Dr.|Ing.|Mgr.|JUDr.|MUDr.|Dhr.|Mevr.|Mevrouw|"
    "Meneer|Pan|Pani|Sra|Dona|Sheikh|Haji|Tuan|Puan|Shri|Smt.|Ustad|Maître|Avv.|Lic.|Arq.|Mx|Cllr|Cllr."
)
PARTICLES = _list("von|van|van der|de|de la|da|dos|di|del|bin|al|Mac|O'|St.")
RARE_FIRST_NAMES = _list(
    "Xanthe|Ngozi|Thandiwe|Søren|Zbigniew|Oluwaseun|Nguyễn|Björk|Itzel|Kwame|Aoife|Caoimhe|Siobhán|Yusuf|Hyun-woo|Mei|"
    "Li|Wei|Xiang|Haruto|Yuki|Priya|Arjun|Fatima|Mohammed|Ahmed|Omar|Layla|Amir|Dmitri|Svetlana|Olena|Taras|Giorgos|"
    "Eleni|Ioannis|Avi|Shira|Noam|Rahul|Deepa|Sunil|Chidi|Amina|Lerato|Sipho|Makena|Tendai|Ravi|Jin|Min-jun|Thuy|Linh"
)
COMMON_WORD_SURNAMES = _list(
    "Baker|Cook|Fox|Hill|Woods|Young|King|Price|Long|Best|Banks|Wells|Stone|Rivers|Day|Summers|Winter|Bell|Field|Park|"
    "Church|Bush|Rice|Noble|Grant|Chase|Page|Case|Law|Love|Power|Sharp|Swift|Wise|Brown|Green|White|Black|Gray|Moon|Rose|"
    "May|March|Marsh|Penny|Cash|Bond|Steel|Silver|Gold|Wolf|Bird|Crane|Drake|Finch|Sun|Song"
)
FAMOUS_PEOPLE = _list(
    "Albert Einstein|Marie Curie|Barack Obama|William Shakespeare|Beyoncé|Lionel Messi|Angela Merkel|Elon Musk|Leonardo da Vinci|"
    "Jane Austen|Taylor Swift|Nelson Mandela|Isaac Newton|Ada Lovelace|Alan Turing|Serena Williams|Pablo Picasso|Mozart|"
    "Steve Jobs|Charles Darwin|Cleopatra|Winston Churchill|Frida Kahlo|Stephen Hawking|Tim Cook|Grace Hopper|Aristotle"
)
HANDLE_WORDS = _list(
    "shadow|river|coffee|dragon|panda|sunny|storm|pixel|ninja|tiger|rocket|cloud|winter|summer|blue|green|red|silver|happy|lazy|"
    "night|moon|star|wolf|bear|eagle|falcon|music|guitar|soccer|chess|purple|orange|banana|cookie|monkey|secret|welcome|magic|"
    "forest|ocean|mountain|turtle|kitten|puppy|hunter|gamer|maker|runner|reader|baker|sailor|letmein|qwerty|admin|password"
)
CITIES = _list(
    "London|Paris|Berlin|Madrid|Rome|New York|Los Angeles|Chicago|Houston|Phoenix|Boston|Seattle|Denver|Austin|Dallas|Miami|Atlanta|"
    "San Francisco|San Diego|Portland|Toronto|Vancouver|Montreal|Calgary|Ottawa|Sydney|Melbourne|Brisbane|Perth|Auckland|Wellington|"
    "Dublin|Cork|Edinburgh|Glasgow|Cardiff|Belfast|Manchester|Liverpool|Birmingham|Leeds|Bristol|Oxford|Cambridge|Munich|Hamburg|"
    "Cologne|Frankfurt|Stuttgart|Leipzig|Dresden|Vienna|Salzburg|Graz|Zurich|Geneva|Basel|Bern|Lyon|Marseille|Toulouse|Nice|Bordeaux|"
    "Lille|Brussels|Antwerp|Ghent|Amsterdam|Rotterdam|Utrecht|The Hague|Copenhagen|Aarhus|Oslo|Bergen|Stockholm|Gothenburg|Malmö|"
    "Helsinki|Tampere|Tallinn|Riga|Vilnius|Warsaw|Kraków|Gdańsk|Prague|Brno|Bratislava|Budapest|Bucharest|Sofia|Belgrade|Zagreb|"
    "Ljubljana|Athens|Thessaloniki|Istanbul|Ankara|Izmir|Kyiv|Lviv|Odesa|Barcelona|Valencia|Seville|Bilbao|Lisbon|Porto|Milan|Turin|"
    "Naples|Florence|Venice|Bologna|Tel Aviv|Jerusalem|Cairo|Alexandria|Casablanca|Tunis|Lagos|Abuja|Accra|Nairobi|Mombasa|Kampala|"
    "Addis Ababa|Johannesburg|Cape Town|Durban|Mumbai|Delhi|Bangalore|Chennai|Hyderabad|Pune|Kolkata|Karachi|Lahore|Dhaka|Colombo|"
    "Kathmandu|Bangkok|Hanoi|Ho Chi Minh City|Jakarta|Manila|Singapore|Kuala Lumpur|Hong Kong|Shanghai|Beijing|Shenzhen|Taipei|Seoul|"
    "Busan|Tokyo|Osaka|Kyoto|Mexico City|Guadalajara|Monterrey|Bogotá|Medellín|Lima|Quito|Santiago|Buenos Aires|Córdoba|Montevideo|"
    "São Paulo|Rio de Janeiro|Brasília|Salvador|Caracas|Havana|Kingston|Reykjavik|Springfield|Franklin|Clinton|Salem|Fairview|Madison|"
    "Georgetown|Arlington|Richmond|Burlington|Manchester|Milton|Newport|Oakland|Bristol|Ashland|Dover|Hudson|Lexington|Auburn|Dayton"
)
COUNTRIES = _list(
    "Germany|France|Spain|Italy|Portugal|Netherlands|Belgium|Austria|Switzerland|Poland|Sweden|Norway|Denmark|Finland|Ireland|UK|"
    "United Kingdom|England|Scotland|Wales|USA|US|United States|Canada|Mexico|Brazil|Argentina|Chile|Peru|Colombia|Venezuela|Ecuador|"
    "Australia|New Zealand|Japan|China|India|Pakistan|Bangladesh|Nepal|Sri Lanka|Thailand|Vietnam|Indonesia|Malaysia|Philippines|"
    "Singapore|South Korea|Taiwan|Mongolia|Kazakhstan|Russia|Ukraine|Belarus|Moldova|Romania|Bulgaria|Serbia|Croatia|Slovenia|Slovakia|"
    "Czech Republic|Hungary|Greece|Turkey|Israel|Jordan|Lebanon|Egypt|Morocco|Tunisia|Algeria|Libya|Nigeria|Ghana|Kenya|Uganda|Tanzania|"
    "Ethiopia|Somalia|South Africa|Zimbabwe|Zambia|Botswana|Namibia|Angola|Mozambique|Madagascar|Senegal|Cameroon|Iceland|Greenland|"
    "Estonia|Latvia|Lithuania|Malta|Cyprus|Luxembourg|Qatar|UAE|Saudi Arabia|Iran|Iraq|Syria|Afghanistan|Cuba|Jamaica|Haiti|Panama|"
    "Costa Rica|Guatemala|Honduras|Bolivia|Paraguay|Uruguay|Fiji|Samoa|Timor-Leste|Palau|Tuvalu|Vanuatu|Bhutan|Laos|Cambodia|Myanmar"
)
REGIONS = _list(
    "California|Texas|Florida|Ohio|Oregon|Nevada|Utah|Virginia|Georgia|Maine|Kansas|Iowa|Alabama|Ontario|Quebec|Alberta|Bavaria|Saxony|"
    "Tuscany|Sicily|Catalonia|Andalusia|Provence|Brittany|Normandy|Yorkshire|Cornwall|Kent|Essex|Munster|Ulster|Queensland|Victoria|"
    "New South Wales|Tasmania|Kerala|Punjab|Gujarat|Maharashtra|Hokkaido|Okinawa|Sichuan|Patagonia|Jalisco|Yucatán|Bahia|Scandinavia|"
    "the Bronx|Brooklyn|Manhattan|Queens|Harlem|Soho|Kreuzberg|Montmartre|the Midwest|Silicon Valley|the Bay Area|Central Europe|Asia|"
    "Africa|Europe|South America|the Balkans|the Alps|the Andes|the Sahara|Lake Geneva|the Thames|the Rhine|the Danube|Mount Fuji"
)
STATE_CODES = _list(
    "CA|NY|TX|FL|WA|IL|PA|OH|GA|NC|MI|NJ|VA|MA|AZ|TN|IN|MO|MD|WI|CO|MN|SC|AL|LA|KY|OR|OK|CT|UT|NV|IA|ON|QC|BC|NSW|VIC"
)
STREET_NAMES = _list(
    "Main|Oak|Pine|Maple|Cedar|Elm|Washington|Lake|Hill|Park|River|Church|Market|Sunset|Lincoln|Jackson|Highland|Mill|Forest|Spring|"
    "North|South|2nd|3rd|5th|42nd|Jefferson|Willow|Chestnut|Broad|Franklin|King|Queen|Station|Victoria|Green|Albert|Rose|Orchard|Bay"
)
STREET_TYPES = _list(
    "Street|St|St.|Avenue|Ave|Ave.|Road|Rd|Rd.|Lane|Ln|Drive|Dr|Boulevard|Blvd|Court|Ct|Way|Place|Terrace|Close|Crescent|Square|Parkway"
)
COMPANIES = _list(
    "Microsoft|Google|Amazon|Apple|Meta|Netflix|IBM|Oracle|SAP|Siemens|Bosch|Volkswagen|BMW|Mercedes-Benz|Toyota|Honda|Sony|Samsung|LG|"
    "Nokia|Ericsson|Philips|Shell|BP|Total|Unilever|Nestlé|Novartis|Roche|Pfizer|Bayer|BASF|Sanofi|AstraZeneca|GSK|Merck|HSBC|Barclays|"
    "Deutsche Bank|BNP Paribas|Santander|UBS|Credit Suisse|Goldman Sachs|JPMorgan|Citigroup|Wells Fargo|Bank of America|Visa|Mastercard|"
    "PayPal|Stripe|Spotify|Uber|Lyft|Airbnb|Tesla|SpaceX|Boeing|Airbus|Lufthansa|Ryanair|EasyJet|Delta|Walmart|Target|Costco|Tesco|Aldi|"
    "Lidl|Carrefour|IKEA|H&M|Zara|Nike|Adidas|Puma|Coca-Cola|PepsiCo|McDonald's|Starbucks|Subway|Disney|Warner Bros.|Universal|Nintendo|"
    "Intel|AMD|Nvidia|Qualcomm|Cisco|Dell|HP|Lenovo|Salesforce|Adobe|Atlassian|Shopify|Slack|Zoom|Dropbox|GitHub|Reddit|Twitter|LinkedIn|"
    "AT&T|Verizon|Vodafone|Orange|Telefónica|T-Mobile|FedEx|UPS|DHL|Maersk|Deloitte|PwC|KPMG|EY|McKinsey|Accenture|Infosys|Tata|Reliance"
)
INSTITUTIONS = _list(
    "Harvard|MIT|Stanford|Yale|Oxford University|University of Tokyo|ETH Zurich|TU Delft|Sorbonne|the United Nations|UNESCO|UNICEF|NATO|"
    "the European Commission|the World Bank|the IMF|WHO|the FBI|the CIA|NASA|ESA|the NHS|the IRS|the FDA|HMRC|the Red Cross|Greenpeace|"
    "Amnesty International|the Supreme Court|the Senate|Parliament|the Ministry of Health|Scotland Yard|the Met Office|Interpol|FIFA|UEFA|"
    "the NBA|the NFL|Real Madrid|Manchester United|the Yankees|the Lakers|Bayern Munich|Juventus|BBC|CNN|The Guardian|The New York Times|"
    "Le Monde|Der Spiegel|Reuters|Al Jazeera|Rolling Stone|The Economist|Forbes|Wired|Vogue|the Beatles|Coldplay|Radiohead|Daft Punk|"
    "Queen|Metallica|the Rolling Stones|the Boy Scouts|the Rotary Club|Oxfam|Médecins Sans Frontières|the Mayo Clinic|Charité|St. Mary's Hospital"
)
ORG_PATTERNS = _list(
    "{last} & {last2}|{last} {field}|{city} {field}|University of {city}|{city} University|Bank of {city}|{last} and Sons|{last} Group|"
    "{last} Holdings|{a}{b}|{a}{b} Inc.|{a}{b} Ltd|{a}{b} GmbH|{a} {field}|{city} General Hospital|{city} City Council|{city} Police Department|"
    "{last} Law Firm|St. {last}'s School|{city} High School|First National Bank of {city}|{country} Airlines|{a}{b} Technologies|The {last} Foundation|"
    "{last}, {last2} & Partners|{city} FC|{city} Symphony Orchestra|{last} Motors|{last}'s Bakery|Café {last}|Hotel {city}|{a}{b} AG|{last} S.A.|"
    "{city} Children's Clinic|{a}{b} Labs|{last} Pharmaceuticals|The {city} Times|{city} Chamber of Commerce|{last} Family Practice|{a} & {last}"
)
ORG_FIELDS = _list(
    "Consulting|Logistics|Insurance|Foods|Software|Systems|Energy|Capital|Partners|Media|Design|Construction|Medical Center|Dental|Pharmacy|"
    "Electronics|Textiles|Bank|Credit Union|Airlines|Railways|Publishing|Studios|Records|Brewing Company|Coffee|Motors|Security|Analytics|Robotics"
)
BRAND_PARTS = _list(
    "nova|zen|quant|blue|north|sky|data|cyber|green|bright|apex|vertex|orbi|lumi|neo|omni|terra|hydro|velo|swift|core|meta|opti|pro|sol"
)
BRAND_ENDS = _list(
    "tek|soft|ware|lytics|flow|works|base|net|sys|gen|con|vista|path|point|link|grid|forge|mind|logic|wave|care|trust|pay|ly|ify"
)
MONTHS = _list("January|February|March|April|May|June|July|August|September|October|November|December")
MONTHS_SHORT = _list("Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec")
MONTHS_DE = _list("Januar|Februar|März|April|Mai|Juni|Juli|August|September|Oktober|November|Dezember")
MONTHS_FR = _list("janvier|février|mars|avril|mai|juin|juillet|août|septembre|octobre|novembre|décembre")
TIMES = _list(
    "yesterday|tomorrow|today|last week|next Monday|on Friday|this morning|two days ago|last month|next year|Tuesday|Wednesday afternoon|"
    "3 pm|14:30|5:15 PM|midnight|noon|last summer|the 1990s|three weeks ago|in two hours|Saturday night|Q3 2023|spring 2019|10 minutes ago"
)
NUMBER_WORDS = _list("two|three|five|seven|ten|twelve|sixteen|twenty|thirty|forty|fifty|sixty|seventy-two|eighty")
NATIONALITIES = _list(
    "German|French|Spanish|Italian|Polish|Irish|British|American|Canadian|Mexican|Brazilian|Chinese|Japanese|Korean|Indian|Pakistani|Turkish|"
    "Syrian|Nigerian|Kenyan|Ethiopian|Ukrainian|Russian|Dutch|Swedish|Greek|Christian|Catholic|Protestant|Muslim|Jewish|Hindu|Buddhist|Sikh|"
    "atheist|Republican|Democrat|Labour|conservative|socialist|Iranian|Iraqi|Egyptian|Somali|Argentinian|Chilean|Venezuelan|Cuban|Vietnamese|"
    "Thai|Filipino|Indonesian|Australian|South African|Moroccan|Algerian|Israeli|Palestinian|Kurdish|Roma|Māori|Native American|Hispanic|Latino"
)
CONDITIONS = _list(
    "type 2 diabetes|type 1 diabetes|hypertension|asthma|COPD|pneumonia|bronchitis|migraine|epilepsy|depression|major depressive disorder|"
    "anxiety|bipolar disorder|schizophrenia|PTSD|ADHD|autism|dementia|Alzheimer's disease|Parkinson's disease|multiple sclerosis|stroke|"
    "atrial fibrillation|heart failure|coronary artery disease|myocardial infarction|angina|anaemia|leukaemia|lymphoma|breast cancer|"
    "prostate cancer|lung cancer|colon cancer|melanoma|HIV|hepatitis C|tuberculosis|COVID-19|influenza|sepsis|kidney failure|chronic kidney disease|"
    "kidney stones|urinary tract infection|gastritis|ulcerative colitis|Crohn's disease|IBS|celiac disease|GERD|gallstones|pancreatitis|cirrhosis|"
    "hypothyroidism|hyperthyroidism|osteoporosis|osteoarthritis|rheumatoid arthritis|gout|lupus|psoriasis|eczema|shingles|endometriosis|PCOS|"
    "preeclampsia|miscarriage|infertility|sleep apnea|insomnia|chronic pain|fibromyalgia|a fractured femur|a torn ACL|a herniated disc|concussion|"
    "glaucoma|cataracts|hearing loss|tinnitus|alcohol dependence|opioid addiction|anorexia|bulimia|obesity|sickle cell disease|cystic fibrosis|"
    "erectile dysfunction|chlamydia|syphilis|herpes|appendicitis|a hernia|peanut allergy|penicillin allergy|vertigo|sciatica|deep vein thrombosis"
)
MEDICATIONS = _list(
    "metformin|insulin|lisinopril|amlodipine|atorvastatin|simvastatin|aspirin|ibuprofen|paracetamol|acetaminophen|omeprazole|pantoprazole|"
    "amoxicillin|azithromycin|ciprofloxacin|doxycycline|prednisone|salbutamol|albuterol|fluticasone|sertraline|fluoxetine|citalopram|escitalopram|"
    "venlafaxine|bupropion|quetiapine|olanzapine|lithium|diazepam|lorazepam|alprazolam|zolpidem|methylphenidate|Adderall|Ritalin|Xanax|Prozac|"
    "Zoloft|Lipitor|Humira|Ozempic|Wegovy|warfarin|apixaban|clopidogrel|heparin|furosemide|spironolactone|metoprolol|bisoprolol|losartan|"
    "levothyroxine|methotrexate|tamoxifen|morphine|oxycodone|tramadol|fentanyl|gabapentin|pregabalin|levodopa|donepezil|sumatriptan|cetirizine|"
    "loratadine|EpiPen|Viagra|sildenafil|tamsulosin|finasteride|valacyclovir|Truvada|remdesivir|ondansetron|dexamethasone|hydrochlorothiazide"
)
CODENAMES = _list(
    "Falcon|Titan|Aurora|Phoenix|Orion|Bluebird|Kestrel|Nightfall|Redwood|Sequoia|Atlas|Mercury|Apollo|Zephyr|Quicksilver|Ironwood|Moonshot|"
    "Cobalt|Onyx|Sapphire|Chimera|Hydra|Pegasus|Griffin|Starling|Nimbus|Tempest|Vanguard|Horizon|Meridian|Keystone|Lighthouse|Sandstone|Marigold|"
    "Snowdrop|Tango|Bravo|Trident|Leviathan|Odyssey|Avalanche|Glacier|Monsoon|Driftwood|Obsidian|Juniper|Larkspur|Thunderbolt|Artemis|Helios"
)
CODENAME_ADJECTIVES = _list(
    "Silent|Blue|Red|Black|Golden|Silver|Iron|Crimson|Hidden|Northern|Rapid|Dark|Bright|Frozen|Copper|Velvet"
)
PRODUCTS = _list(
    "Windows 11|iPhone 15|Galaxy S24|Excel|PowerPoint|Photoshop|Kubernetes|PostgreSQL|Python|React|Docker|Kafka|Terraform|Chrome|Firefox|Linux|"
    "Android|Model 3|PlayStation 5|Kindle|AirPods|ThinkPad|Jira|Confluence|Salesforce CRM|WhatsApp|Gmail|Outlook|Teams|Redis|Java|Swift|Ruby|Rust"
)
TOPICS = _list(
    "photosynthesis|plate tectonics|machine learning|gardening|quantum computing|project management|the water cycle|sourdough bread|"
    "climate change|supply and demand|object-oriented programming|unit testing|yoga|meditation|chess openings|the solar system|blockchain|"
    "microservices|marketing funnels|interest rates|renewable energy|public speaking|time management|the immune system|sentence structure|"
    "regular expressions|user onboarding|medieval castles|data visualisation|budget planning|interview questions|travel packing|remote work"
)
JOBS = _list(
    "nurse|teacher|engineer|accountant|lawyer|plumber|consultant|software developer|manager|designer|pharmacist|surgeon|driver|chef|analyst|"
    "electrician|librarian|journalist|architect|sales representative|HR director|CFO|CEO|intern|electrician|paramedic|translator|data scientist"
)
RELATIONS = _list(
    "wife|husband|son|daughter|mother|father|brother|sister|uncle|aunt|colleague|boss|neighbour|landlord|friend|partner|client|tenant"
)
NEUTRAL_SENTENCES = _list(
    "Thanks in advance.|Let me know if anything is unclear.|Please keep it short.|Use bullet points.|This is urgent.|We discussed this before.|"
    "The meeting went well.|Attached is the report.|I have tried restarting it.|It worked until the last update.|Any help is appreciated.|"
    "The deadline is close.|Please answer in English.|Explain step by step.|Make it sound friendly.|The numbers do not add up.|No rush.|"
    "See the notes below.|I am not sure what to do next.|The weather has been terrible.|We need a second opinion.|The budget is tight."
)
WEEKDAYS = _list("Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday|Mon|Tue|Wed|Thu|Fri|Sat|Sun")
MONTHS_ES = _list("enero|febrero|marzo|abril|mayo|junio|julio|agosto|septiembre|octubre|noviembre|diciembre")
LANGUAGES = _list(
    "English|Spanish|French|German|Italian|Portuguese|Dutch|Polish|Russian|Arabic|Hindi|Urdu|Bengali|Mandarin|Cantonese|Japanese|Korean|Turkish|Greek|"
    "Hebrew|Swahili|Tagalog|Vietnamese|Thai|Swedish|Norwegian|Danish|Finnish|Czech|Hungarian|Romanian|Ukrainian|Welsh|Irish|Latin|Esperanto"
)
HEADINGS = _list(
    "Summary|Introduction|Background|Overview|Agenda|Action Items|Next Steps|Executive Summary|Terms and Conditions|Privacy Policy|Getting Started|Table of Contents|"
    "Key Findings|Risk Assessment|Release Notes|Known Issues|Frequently Asked Questions|Payment Details|Order Confirmation|Customer Service|Human Resources|"
    "Quality Assurance|Data Protection Officer|Board of Directors|Annual Report|Quarterly Review|Best Practices|Lessons Learned|Scope of Work|Purchase Order|"
    "Statement of Account|Account Summary|Credit Card|Debit Card|Savings Account|Travel Insurance|Premium Plan|Basic Package|User Guide|Change Log|Job Description"
)
TWIN_PERSONS = _list(
    "Paris|London|Jordan|Chelsea|Austin|Madison|Sydney|Florence|Virginia|Georgia|Israel|Brooklyn|Dakota|Carolina|Savannah|Phoenix|Dallas|Houston|Lincoln|"
    "Washington|Jackson|Hamilton|Victoria|Adelaide|Charlotte|Kingston|Chad|India|Kenya|Asia|Cairo|Vienna|Milan|Verona|Sienna|Devon|Kent|Chester|Lincoln|"
    "Chase|Mercedes|Wendy|Denny|Ford|Tesla|Disney|Dell|Kellogg|Morgan|Stanley|Sterling|Porsche|Bentley|Harley|Alexa|Siri|Apple|Delta|Macy|Cadbury|Boots"
)
TWIN_PLACES = _list(
    "Paris|London|Jordan|Chelsea|Austin|Madison|Sydney|Florence|Virginia|Georgia|Israel|Brooklyn|North Dakota|South Carolina|Savannah|Phoenix|Dallas|Houston|"
    "Washington|Jackson|Hamilton|Victoria|Adelaide|Charlotte|Kingston|Chad|India|Kenya|Asia|Cairo|Vienna|Milan|Verona|Siena|Devon|Kent|Chester|Lincoln|Nice|"
    "Reading|Bath|Mobile|Split|Turkey|China|Jersey|Guinea|Cork|Hull|Sandwich|Orange|Troy|Buffalo|Java|Hell|Batman|Boring|Normal|Intercourse|Hope|Rugby|Wells"
)
TWIN_FIRMS = _list(
    "Chase|Apple|Amazon|Target|Shell|Orange|Visa|Gap|Subway|Oracle|Delta|Sprint|Square|Slack|Zoom|Discover|Uber|Mars|Dove|Puma|Jaguar|Lotus|Virgin|Next|Boots|"
    "Wells Fargo|Morgan Stanley|Wendy's|Denny's|Macy's|Ford|Tesla|Dell|Disney|Kellogg's|Mercedes|Porsche|Harley-Davidson|Ally|Stripe|Block|Meta|Alphabet|Box|"
    "Twitter|Signal|Notion|Arm|Sky|Three|Now|Time|Fortune|People|Nature|Science|Blackboard|Canvas|Workday|Indeed|Monster|Match|Hinge|Bumble|Wise|Affirm|Chime"
)
GEOGRAPHY = _list(
    "County|Street|Avenue|Square|Park|Airport|Bridge|River|Valley|Island|Bay|Beach|Hills|Heights|Falls|Creek|Lake|Forest|Mountain|Peak|Canyon|Harbour|Station|"
    "Springs|Desert|Peninsula|Province|Plaza|Tower|Castle|Village|Township|District|Road|Boulevard|Lane|Pass|Point|Island National Park"
)
