"""Names of persons: of many peoples in Latin letters, and made up of syllables, so that context decides, not memory.

Names are common ones of their languages, no person's; ``|`` separates entries. Chance comes in as a ``random.Random``.
"""

import random

from training.words import _list

FIRST = _list(
    # Arabic, Persian, Turkic
    "Abdullah|Abdul|Abdelkader|Adel|Aisha|Alaa|Ali|Amal|Anwar|Ayman|Aziz|Bashar|Dalia|Dina|Farah|Farid|Faisal|Ghada|Habib|Hadi|Hala|Hamza|Hanan|"
    "Hassan|Hussein|Ibrahim|Imran|Iman|Jamal|Karim|Khadija|Khalid|Laila|Leila|Lina|Mahmoud|Malik|Mariam|Maryam|Mona|Mustafa|Nadia|Nasser|Noura|"
    "Rania|Rashid|Reem|Said|Salim|Salma|Samir|Samira|Sana|Tariq|Walid|Yasmin|Youssef|Zahra|Zainab|Ziad|Arash|Babak|Behnaz|Cyrus|Dariush|Farhad|"
    "Golnaz|Kaveh|Mehdi|Mina|Nasrin|Parisa|Reza|Roya|Shirin|Soraya|Aylin|Cem|Emre|Gülşen|Mehmet|Özlem|Zeynep|Aigerim|Nursultan|Gulnara|"
    # South Asian
    "Aarav|Abhishek|Aditi|Aditya|Ajay|Akash|Amit|Amrita|Anand|Anil|Anita|Anjali|Ankit|Asha|Ashok|Bhavna|Chandra|Deepak|Devika|Divya|Gaurav|Geeta|"
    "Gopal|Harish|Harpreet|Indira|Ishaan|Jaspreet|Jyoti|Kamala|Karthik|Kavita|Kiran|Lakshmi|Lalit|Madhu|Manish|Manoj|Meera|Mohan|Mukesh|Naveen|"
    "Neha|Nikhil|Nisha|Pankaj|Parvati|Pooja|Pradeep|Prakash|Rajesh|Rakesh|Ramesh|Rekha|Ritu|Rohan|Rohit|Sachin|Sandeep|Sanjay|Sarita|Shreya|Sita|"
    "Sneha|Suresh|Swati|Tanvi|Uma|Usha|Varun|Venkatesh|Vijay|Vikram|Vinod|Vivek|Yash|Chamari|Dilshan|Kumari|Nimal|Tharushi|Bishnu|Sagar|Tshering|"
    # East and south-east Asian
    "Aiko|Akira|Asuka|Daichi|Emi|Hana|Haruka|Hiroshi|Kaito|Kazuo|Keiko|Kenji|Makoto|Mariko|Masashi|Naoko|Noriko|Ren|Sakura|Satoshi|Shinji|Takeshi|"
    "Tomoko|Yoko|Yoshi|Bo-ra|Chul-soo|Eun-ji|Hye-jin|Ji-hoon|Ji-woo|Joon-ho|Kyung-soo|Seo-yeon|Soo-jin|Sung-min|Young-hee|Ah-Lam|Bao|Chen|Fang|Feng|"
    "Guang|Hong|Hui|Jian|Jiaying|Jing|Jun|Kai|Lan|Ling|Meiling|Ming|Na|Ping|Qiang|Qing|Rong|Shan|Shu-fen|Tao|Ting|Wen|Xiaoming|Xin|Xiu|Yan|Yi|Ying|"
    "Yong|Yun|Zhen|Zhiyuan|Zihan|An|Binh|Chau|Dung|Duc|Hai|Hanh|Hoa|Huong|Khanh|Lan Anh|Mai|Minh|Nga|Ngoc|Phuong|Quang|Quoc|Tam|Thanh|Trang|Tuan|Vy|"
    "Agus|Budi|Dewi|Eko|Fitri|Indah|Joko|Putri|Ratna|Siti|Sri|Wayan|Yuni|Analyn|Bayani|Dalisay|Jomar|Ligaya|Maricel|Rodel|Anong|Kanya|Niran|Ploy|"
    "Somchai|Suda|Aung|Khin|Thida|Zaw|Batbayar|Oyuna|Bopha|Sokha|Boun|Noy|"
    # African
    "Abena|Abebe|Achieng|Ade|Adwoa|Akosua|Amara|Ama|Amadou|Aminata|Ayodele|Babajide|Bisi|Bongani|Chiamaka|Chinedu|Chioma|Dembe|Desta|Ebele|Efua|"
    "Ekow|Emeka|Esi|Fanta|Femi|Folake|Funmi|Gift|Hamisi|Ifeoma|Ikechukwu|Jabari|Jelani|Kagiso|Kamau|Kofi|Kojo|Kunle|Lindiwe|Mamadou|Mandla|Mpho|"
    "Mulugeta|Mwangi|Nana|Nia|Njeri|Nkechi|Nomvula|Nthabiseng|Nyambura|Obinna|Olumide|Otieno|Ousmane|Palesa|Precious|Rufaro|Sade|Sekou|Simba|Tadesse|"
    "Temitope|Thabo|Themba|Tiwa|Tunde|Uchenna|Wanjiru|Yaa|Yaw|Zanele|Zola|Zuberi|Blessing|Goodluck|Patience|Comfort|Innocent|"
    # European, American, old and new
    "Aidan|Aleksander|Alva|Anneke|Antje|Ásta|Astrid|Aurélie|Bartosz|Benoît|Birgit|Bogdan|Branka|Brynhildur|Cédric|Ciarán|Cosmin|Danuta|Dominika|Dragana|"
    "Eilidh|Eino|Elif|Elżbieta|Eoghan|Erzsébet|Fergus|Fiadh|François|Frédérique|Giancarlo|Ginevra|Gösta|Grzegorz|Gudrun|Hamish|Heikki|Hélène|Henryk|"
    "Ignacio|Ilse|Ingvild|Ioana|Ivana|Jaan|Jacek|Jarosław|Jadwiga|Jörg|João|Joaquín|José María|Juhani|Jürgen|Katarzyna|Kjell|Kristjan|Kyriaki|László|"
    "Laurens|Leonor|Liesbeth|Łukasz|Małgorzata|Marit|Mathilde|Miloš|Mirela|Nikolaos|Niamh|Nuno|Oisín|Oleksandr|Panagiotis|Paweł|Pernille|Petra|Piroska|"
    "Raquel|Rikke|Roxana|Saoirse|Sébastien|Sinéad|Slobodan|Stanisław|Tadeusz|Tiago|Torsten|Ulrike|Vasilis|Vasyl|Vlad|Wiebke|Wojciech|Yannick|Ximena|"
    "Yevhen|Zdeněk|Zofia|Zsuzsanna|Mary Jane|Anna Maria|Jean-Pierre|Marie-Claire|Hans-Peter|Ana Lucía|Billy Bob|Jo Ann|Kwabena|Atticus|Beckett|Blaze|"
    "Brooklyn|Cairo|Cleo|Dakota|Dashiell|Everly|Fennimore|Gunner|Harlow|Indigo|Jaxon|Jayden|Kaylee|Khaleesi|Legend|London|Lyric|Maverick|Nevaeh|Ocean|"
    "Onyx|Phoenix|Princess|Ryder|Saffron|Skye|Stormi|Sage|Tallulah|True|Winter|Wren|Zephyr|Ethelred|Gertrude|Ebenezer|Hortense|Mildred|Ignatius|Cornelius"
)
LAST = _list(
    "Abadi|Abbas|Abdi|Abdullahi|Abubakar|Acheampong|Adebayo|Adeyemi|Afolabi|Agarwal|Aguirre|Ahmadi|Akhtar|Al-Farsi|Al-Hashimi|Al-Khatib|Al-Masri|Al-Sayed|"
    "Alvarado|Amoah|Anderssen|Andrade|Appiah|Arslan|Asante|Asare|Ashworth|Ayala|Ba|Babić|Bach|Bah|Bajwa|Bakshi|Balogun|Banerjee|Barzani|Basu|Bautista|"
    "Bekele|Ben Ali|Ben-David|Bergström|Bhatt|Bianchi|Blanchard|Boateng|Bondarenko|Botha|Bouazizi|Brekke|Bui|Burak|Bzdyra|Camara|Çelik|Chakraborty|Chan|"
    "Chanda|Chandrasekaran|Chang|Chaudhry|Cheung|Chikwanha|Cho|Choi|Chowdhury|Chukwu|Cissé|Contreras|Coulibaly|D'Angelo|D'Souza|Dang|Das|Dasgupta|de Boer|"
    "De Luca|de Souza|Delacroix|Demir|Desai|Deshmukh|Devi|Dhillon|Di Stefano|Diallo|Diaz|Diop|Dlamini|Đorđević|dos Santos|Doğan|Duong|Ekström|El Amrani|"
    "El-Sayed|Eriksen|Espinoza|Eze|Fadel|Farah|Fernando|Ferreira|Fitzgerald|Fofana|Fukuda|Gebremariam|Georgiou|Ghosh|Gonçalves|Goswami|Guðmundsdóttir|"
    "Gunawardena|Gupta|Gutiérrez|Guzmán|Habibi|Haddad|Haile|Hakimi|Hamid|Haq|Hashemi|Hernández|Hosseini|Hoàng|Hovhannisyan|Hussain|Huynh|Ibáñez|Ishikawa|"
    "Islam|Iversen|Iyer|Jaiswal|Jankowski|Jensen|Joshi|Kaczmarek|Kamara|Kang|Kapoor|Kariuki|Karimi|Kaur|Kebede|Keita|Khalil|Khan|Kigongo|Kimura|Kipchoge|"
    "Kobayashi|Koç|Konaté|Kowalczyk|Krishnan|Kulkarni|Kumar|Kurt|Kuznetsov|Kwan|Lam|Lau|Le|Leclerc|Leung|Lim|Lindqvist|Liu|Lopes|Luo|Ma|MacGregor|MacLeod|"
    "Mahlangu|Mahmood|Malhotra|Mansour|Manzano|Marković|Mbeki|McAllister|McNulty|Mehta|Mendes|Menon|Mensah|Mishra|Mohamed|Mokoena|Molina|Moreau|Moyo|Mukherjee|"
    "Mutasa|Mutua|Nair|Nakamura|Nandakumar|Nasser|Naidoo|Ncube|Ndiaye|Ndlovu|Ngo|Nguyen|Njoroge|Nkosi|Nkrumah|Novák|Nowak|Nunes|Nwosu|Nyong|O'Brien|O'Connell|"
    "O'Shea|Obi|Odhiambo|Ofori|Ogunleye|Ojo|Okafor|Okeke|Okonkwo|Oliveira|Omondi|Onyango|Ortega|Osei|Ostrowski|Otieno|Ouattara|Owusu|Özdemir|Öztürk|Pacheco|"
    "Pandey|Papadakis|Papadopoulos|Park|Patel|Pathak|Pérez|Pham|Phan|Pillai|Popescu|Pradhan|Qureshi|Quiñones|Rahimi|Rahman|Rajan|Ramírez|Ramos|Rao|Rasmussen|"
    "Reddy|Restrepo|Rezaei|Rojas|Rossi|Roy|Ruiz|Rusu|Ryu|Saeed|Şahin|Saito|Salazar|Saleh|Salvatore|Sandhu|Sankara|Santos|Sargsyan|Sato|Schönberg|Sen|Serrano|"
    "Sesay|Seydou|Shah|Shapiro|Sharma|Shevchenko|Shrestha|Siddiqui|Sidhu|Silva|Singh|Sithole|Solís|Song|Soto|Sow|Srinivasan|St. Clair|Stavros|Subramanian|"
    "Suleiman|Suzuki|Syed|Szabó|Takahashi|Tan|Tanaka|Tang|Tembo|Tesfaye|Thapa|Thiam|Tiwari|Toledano|Tóth|Touré|Tran|Traoré|Tshabalala|Uddin|Ueda|Uzun|"
    "Valdez|van den Berg|van der Merwe|Van Houten|Vargas|Varga|Vasić|Velázquez|Venter|Verma|Villanueva|von Braun|Vu|Wang|Wanjiku|Watanabe|Weiss|Wong|Wójcik|"
    "Wu|Xu|Yadav|Yamada|Yamamoto|Yang|Yeo|Yeung|Yıldız|Yilmaz|Yoon|Yusuf|Zapata|Zhang|Zhao|Zheng|Zhou|Zielinski|Zimmermann|Zulu|Zuma|Ábalos|Łukasik|Świątek|"
    "Abernathy|Bickerstaff|Blackwood|Bottomley|Cholmondeley|Crabtree|Drinkwater|Featherstone|Goodenough|Heathcote|Hollingsworth|Huckabee|Lovelace|Merriweather|"
    "Nightingale|Ottoline|Pemberton|Quackenbush|Ravenscroft|Shufflebottom|Thistlethwaite|Underhill|Vandermolen|Winterbottom|Yarborough|Zellweger|Gaskarth"
)
NICKNAMES = _list(
    "Al|Abby|Alex|Andy|Barb|Becky|Ben|Bert|Beth|Betty|Bill|Bob|Cathy|Charlie|Chris|Chuck|Dan|Dave|Deb|Dick|Don|Doug|Ed|Ellie|Fred|Gabe|Gina|Greg|Gus|Hank|"
    "Izzy|Jack|Jake|Jen|Jess|Jim|Jo|Joe|Josh|Kat|Kate|Ken|Larry|Lex|Liz|Lou|Maggie|Mandy|Matt|Max|Meg|Mel|Mick|Mike|Nate|Ned|Nick|Pam|Pat|Peggy|Pete|Phil|"
    "Ray|Rick|Rob|Ron|Sally|Sam|Sandy|Seb|Steph|Steve|Sue|Ted|Terry|Tess|Tim|Toby|Tom|Tony|Vicky|Viv|Walt|Wes|Will|Zach"
)
SUFFIXES = ("Jr.", "Jr", "Sr.", "II", "III", "IV")
_ONSETS = _list(
    "b|br|bl|c|ch|chr|d|dr|f|fr|fl|g|gr|gl|h|j|k|kr|kl|l|m|n|p|pr|ph|q|r|rh|s|sh|sk|sl|st|str|sv|t|th|tr|ts|v|w|wh|x|y|z|zh|kw|gw|mb|nd|ng|ny|"
    "sz|cz|dj|kh|gh|qu|sch|vl|zd"
)
_VOWELS = _list("a|a|a|a|e|e|e|e|i|i|i|i|o|o|o|o|u|u|y|ai|ae|au|ea|ee|ei|ia|ie|io|oa|oi|ou|ue|ö|ü|é|á|í|ó")
_CODAS = _list("n|n|r|r|l|s|m|k|t|d|th|nd|rt|ck|ng|nk|lt|sk|x|v|z|sh|rn|ss|ll|st|p|b|ft|rk|rd|ld")
_ENDINGS = _list(
    "a|o|i|e|us|ia|an|en|on|in|is|as|os|ski|sky|wicz|son|sen|sson|dóttir|ez|es|ová|ov|ova|ev|enko|chuk|yan|ian|idze|shvili|oglu|pour|zadeh|wala|kar|"
    "appa|swamy|nathan|moto|mura|yama|kawa|da|saki|ley|ton|ham|worth|field|well|ford|man|mann|berg|stein|stad|quist|lund|dahl|feldt|hoff|bauer|"
    "ini|elli|etti|ucci|ard|eau|ier|oux|ette|ine|elle|ani|oni|ola|ola|unde|wale|chukwu|ike|imba|iso|eka|ani|ga|uka|agi|it"
)


def coined(rng: random.Random, *, last: bool) -> str:
    """A name of one to three syllables that is hardly anybody's."""
    parts = []
    for _ in range(rng.choice((1, 1, 2) if not last else (1, 2, 2))):
        coda = rng.choice(_CODAS) if rng.random() < 0.35 else ""
        parts.append((rng.choice(_ONSETS) if parts or rng.random() < 0.85 else "") + rng.choice(_VOWELS) + coda)
    parts.append(rng.choice(_ONSETS) if parts[-1][-1:] not in "bcdfghklmnprstvz" else "")
    parts.append(rng.choice(_ENDINGS) if last or rng.random() < 0.6 else rng.choice(_VOWELS) + rng.choice(_CODAS))
    made = "".join(parts)
    if last and rng.random() < 0.06:
        return rng.choice(("Mc", "O'", "Mac", "Fitz", "De", "Di", "Van ", "El-", "Al-", "Le ")) + made.capitalize()
    return made.capitalize()
